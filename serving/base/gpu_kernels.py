"""The fused decoder with Triton kernels for its GPU, or the logged reason why it runs without them."""

import logging

import torch

from serving.models.fused import FusedDecoder
from serving.models.step import StepForward

log = logging.getLogger("serving.gpu")


def with_kernels(decoder: FusedDecoder, context: int, device: torch.device) -> StepForward:
    """`decoder` with Triton kernels and CUDA graphs; unchanged if Triton cannot compile for this GPU or is wrong.

    context: the longest sequence.
    """
    try:
        from triton import knobs

        from serving.gpu.decoder import GpuDecoder
        from serving.gpu.graphs import CudaCapture
        from serving.gpu.trial import is_right

        if knobs.runtime.interpret:  # the interpreter would follow the GPU's addresses in the host's memory
            log.warning("kernels_missing effect=slower fix='unset TRITON_INTERPRET'")
            return decoder
        right = is_right(device)
    except Exception as reason:  # whatever a missing compiler or an unknown GPU makes Triton raise
        log.warning("kernels_missing effect=slower fix='install triton and a C compiler' reason=%s", reason)
        return decoder
    if not right:
        log.error("kernels_wrong effect=slower fix='use another version of triton, or report this one'")
        return decoder
    return GpuDecoder(decoder, context, device, CudaCapture())
