"""The CPU kernels, compiled and tested at start, or the logged reason why this machine runs without them."""

import logging
from pathlib import Path

import torch

from serving.native.build import NotBuilt, built
from serving.native.library import Library
from serving.native.packed import PackedMatrix

log = logging.getLogger("serving.native")
_TOLERANCE = {torch.bfloat16: 2e-2, torch.float32: 1e-5}


def kernels_for(dtype: torch.dtype, device: torch.device, home: Path | None) -> Library | None:
    """The kernels for `dtype`, compiled into `home` unless present; None if they cannot be compiled or are wrong.

    home: None turns the kernels off. Blocking; compiling takes seconds.
    """
    if device.type != "cpu" or home is None:
        return None
    try:
        library = Library(built(dtype, home), dtype)
    except (NotBuilt, OSError) as reason:
        log.warning("kernels_missing effect=slower reason=%s", reason)
        return None
    if not _is_right(library):
        log.error("kernels_wrong effect=slower fix='use another compiler, or report this one'")
        return None
    return library


def _is_right(library: Library) -> bool:
    """Whether a matrix product agrees with torch: compilers have bugs, too."""
    generator = torch.Generator().manual_seed(1)
    x, weight = (torch.randn(rows, 70, generator=generator).to(library.dtype) for rows in (13, 52))
    got = PackedMatrix(library, weight, None, threads=1)(x, threads=torch.get_num_threads(), dtype=torch.float32)
    expected = x.float() @ weight.float().T
    return bool((got - expected).abs().max() <= _TOLERANCE[library.dtype] * expected.abs().max())
