"""Loads a base model from a folder in Hugging Face layout and makes it ready to serve."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel

from serving.adapters.base_shape import BaseShape
from serving.adapters.base_weights import BaseWeights
from serving.adapters.digests import base_digest, tokenizer_digest
from serving.adapters.known_digests import KnownDigests
from serving.base.cpu_kernels import kernels_for
from serving.base.files import limited_to_embeddings, load_model, load_vocabulary
from serving.base.kv_budget import free_bytes, kv_pages, weight_bytes
from serving.base.prepare import ServableBase, make_servable
from serving.base.threads import choose_threads
from serving.config import ServingConfig, StepThreads
from serving.engine.backbone import Backbone
from serving.errors import BaseModelUnusable
from serving.kv.cache import KvCache, page_bytes
from serving.kv.pages import PAGE_TOKENS
from serving.models.step import StepForward
from serving.native.decoder import NativeDecoder
from serving.prompts.vocabulary import Vocabulary
from serving.types import BaseDigest

log = logging.getLogger("serving.models")

Progress = Callable[[str, float], None]
_MEMORY_SHARE = 4


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A loaded base model with its cache.

    context_tokens: the longest sequence.   kv_pages, page_bytes: of the KV cache.   adapter_bytes: the budget for
    adapters on the device.   step_threads: how many threads compute a step.   forward_name: the class that
    computes it.
    """

    name: str
    digest: BaseDigest
    tokenizer_digest: str
    backbone: Backbone
    vocabulary: Vocabulary
    shape: BaseShape
    eos_ids: frozenset[int]
    context_tokens: int
    kv_pages: int
    page_bytes: int
    adapter_bytes: int
    step_threads: StepThreads
    device: torch.device
    dtype: torch.dtype
    forward_name: str


def load_base(folder: Path, config: ServingConfig, on_progress: Progress) -> BaseModel:
    """Loads the base in `folder`. Blocking. Raises BaseModelUnusable, which says what is wrong and where."""
    known = KnownDigests(config.adapters_home / "digests.json")
    digest = base_digest(folder, lambda fraction: on_progress("Checking the base model's files", fraction), known.of)
    known.save()
    on_progress("Loading the base model", 0.0)
    vocabulary = load_vocabulary(folder)
    model, device = load_model(folder, config)
    vocabulary, weights = limited_to_embeddings(vocabulary, model), weight_bytes(model)
    context = _context_tokens(model, config.max_model_len)
    servable = make_servable(model, context, kernels_for(model.dtype, device, config.kernels_home))
    on_progress("Loading the base model", 0.8)
    layers = servable.forward.layers
    bytes_per_page = page_bytes(layers, model.dtype)
    pages = kv_pages(config.kv_bytes, weights, context, bytes_per_page, device)
    cache = KvCache(layers, pages, model.dtype, device)
    step_threads = _choose_step_threads(servable.forward, cache, pages, config.step_threads)
    backbone = Backbone(servable.forward, cache, device)
    shape = _shape(config, folder, model, servable)
    on_progress("Loading the base model", 1.0)
    return BaseModel(
        name=shape.name,
        digest=digest,
        tokenizer_digest=tokenizer_digest(folder),
        backbone=backbone,
        vocabulary=vocabulary,
        shape=shape,
        eos_ids=_eos_ids(model),
        context_tokens=min(context, pages * PAGE_TOKENS),
        kv_pages=pages,
        page_bytes=bytes_per_page,
        adapter_bytes=config.adapter_device_bytes or free_bytes(device) // _MEMORY_SHARE,
        step_threads=step_threads,
        device=device,
        dtype=model.dtype,
        forward_name=type(servable.forward).__name__,
    )


def _choose_step_threads(forward: StepForward, cache: KvCache, pages: int, threads: StepThreads | None) -> StepThreads:
    """How many threads share a step: `threads`, or what is measured here. Only the CPU kernels can be set."""
    most = torch.get_num_threads()
    if not isinstance(forward, NativeDecoder):
        return StepThreads(most)
    forward.threads = threads or choose_threads(forward, cache, pages, most)
    log.info("threads_chosen per_step=%d of=%d from_tokens=%d", forward.threads.most, most, forward.threads.shared_from)
    return forward.threads


def _shape(config: ServingConfig, folder: Path, model: PreTrainedModel, base: ServableBase) -> BaseShape:
    name, aliases = _names(config, folder)
    prefix = f"{model.base_model_prefix}."
    return BaseShape(
        name=name,
        modules={full.removeprefix(prefix): linear for full, linear in base.served.items()},
        prefix=prefix,
        unserved=base.unserved,
        aliases=aliases,
        ends=base.ends,
        tied=bool(base.tied),
        weights=BaseWeights(folder, prefix, base.tied),
    )


def _names(config: ServingConfig, folder: Path) -> tuple[str, frozenset[str]]:
    """The name by which clients ask for the base, and further names that an adapter's config may use for it."""
    hub_id = None if Path(config.base).is_dir() else str(config.base).removeprefix("hf:").partition("@")[0]
    name = config.base_name or Path(hub_id or folder).name
    return name, frozenset(each for each in (hub_id, str(folder)) if each)


def _context_tokens(model: PreTrainedModel, wanted: int | None) -> int:
    """The longest sequence whose positions the model knows, or `wanted` tokens if that is less.

    Scalings that depend on the longest sequence of a batch (longrope, dynamic) are exact below the original length.
    Raises BaseModelUnusable if `wanted` is more.
    """
    config = model.config.get_text_config()
    longest = int(getattr(config, "max_position_embeddings", 2048))
    scaling = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    per_layer_type = [each for each in scaling.values() if isinstance(each, dict)]
    for rope in (scaling, *per_layer_type):
        if rope.get("rope_type") in ("longrope", "dynamic"):
            original = rope.get("original_max_position_embeddings")
            original = original or getattr(config, "original_max_position_embeddings", None)
            longest = min(longest, int(original or longest))
    if wanted is not None and wanted > longest:
        raise BaseModelUnusable(f"max_model_len {wanted} exceeds the {longest} positions the base model knows.")
    return wanted or longest


def _eos_ids(model: PreTrainedModel) -> frozenset[int]:
    for config in (getattr(model, "generation_config", None), model.config, model.config.get_text_config()):
        eos = getattr(config, "eos_token_id", None)
        if eos is not None:
            return frozenset([eos] if isinstance(eos, int) else eos)
    return frozenset()
