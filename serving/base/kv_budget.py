"""How much memory the KV cache, which is also the prefix cache, may take."""

import logging

import torch
from transformers import PreTrainedModel

from serving.errors import BaseModelUnusable
from serving.kv.pages import PAGE_TOKENS, pages_for
from serving.tiers.memory import available_bytes

log = logging.getLogger("serving.models")

_CPU_TOKENS, _GPU_CONTEXTS = 16_384, 64
_MEMORY_SHARE = 4


def kv_pages(budget_bytes: int | None, weights: int, context: int, page_bytes: int, device: torch.device) -> int:
    """The number of pages that fit `budget_bytes`, or the default budget. Logs it. Raises BaseModelUnusable for none.

    weights: bytes of the model's.   context: the longest sequence in tokens.   page_bytes: of a page over all layers.

    Default on a CPU: the largest of one full context, 16,384 tokens, and the size of the model's weights. On a GPU,
    where the pages are taken at start: 64 full contexts. Neither exceeds a quarter of the free memory. On a CPU a page
    takes memory when it is first used and keeps it, so a node's memory grows up to this budget and no further.
    """
    budget = budget_bytes or default_kv_bytes(weights, context, page_bytes, device, free_bytes(device))
    pages = budget // page_bytes
    if pages < 1:
        raise BaseModelUnusable(f"kv_bytes {budget} does not hold one page of {page_bytes} bytes. Raise --kv-bytes.")
    log.info(
        "kv_cache_sized bytes=%d tokens=%d contexts=%.1f chosen_by=%s",
        pages * page_bytes,
        pages * PAGE_TOKENS,
        pages * PAGE_TOKENS / context,
        "default" if budget_bytes is None else "operator",
    )
    return pages


def default_kv_bytes(weights: int, context: int, page_bytes: int, device: torch.device, free: int) -> int:
    """The rule of `kv_pages`, in bytes.   weights, free: of the model and of the device's memory, in bytes."""
    if device.type == "cpu":
        wanted = max(pages_for(max(context, _CPU_TOKENS)) * page_bytes, weights)
    else:
        wanted = _GPU_CONTEXTS * pages_for(context) * page_bytes
    return min(wanted, free // _MEMORY_SHARE)


def weight_bytes(model: PreTrainedModel) -> int:
    """Bytes of all weights, each counted once."""
    return sum(parameter.nbytes for parameter in model.parameters())


def free_bytes(device: torch.device) -> int:
    """Memory of the device that is free now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return available_bytes()
