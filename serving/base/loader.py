"""A folder in Hugging Face layout to a model that is ready to serve, checked against its own reference forward."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as transformers_logging

from serving.adapters.base_shape import BaseShape
from serving.adapters.base_weights import BaseWeights
from serving.adapters.digests import base_digest, tokenizer_digest
from serving.adapters.known_digests import KnownDigests
from serving.base.cpu_kernels import kernels_for
from serving.base.prepare import Prepared, prepare
from serving.base.probe import choose_device, choose_dtype
from serving.base.threads import choose_threads
from serving.config import ServingConfig, StepThreads
from serving.engine.backbone import Backbone
from serving.errors import BaseModelUnusable
from serving.kv.cache import KvCache, page_bytes
from serving.kv.pages import PAGE_TOKENS, pages_for
from serving.models.step import StepForward
from serving.native.decoder import NativeDecoder
from serving.prompts.vocabulary import Vocabulary
from serving.tiers.memory import available_bytes
from serving.types import BaseDigest

log = logging.getLogger("serving.models")

Progress = Callable[[str, float], None]
_CONTEXTS_CACHED = 64
_MEMORY_SHARE = 4


@dataclass(frozen=True, slots=True)
class BaseModel:
    """Everything that serving needs of a loaded base."""

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


def load_base(folder: Path, config: ServingConfig, on_progress: Progress) -> BaseModel:
    """Loads the base in `folder`; blocking. Raises BaseModelUnusable, saying what is wrong and where."""
    known = KnownDigests(config.adapters_home / "digests.json")
    digest = base_digest(folder, lambda fraction: on_progress("Checking the base model's files", fraction), known.of)
    known.save()
    on_progress("Loading the base model", 0.0)
    vocabulary = _load_vocabulary(folder)
    model, device = _load_model(folder, config)
    _check_vocabulary(vocabulary, model)
    context = _context_tokens(model, config.max_model_len)
    prepared = prepare(model, context, kernels_for(model.dtype, device, config.kernels_home))
    on_progress("Loading the base model", 0.8)
    layers = prepared.forward.layers
    bytes_per_page = page_bytes(layers, model.dtype)
    pages = _kv_pages(config.kv_bytes, context, bytes_per_page, device)
    cache = KvCache(layers, pages, model.dtype, device)
    step_threads = _share_steps(prepared.forward, cache, pages, config.step_threads)
    backbone = Backbone(prepared.forward, cache, device)
    shape = _shape(config, folder, model, prepared)
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
    )


def _share_steps(forward: StepForward, cache: KvCache, pages: int, threads: StepThreads | None) -> StepThreads:
    """How many threads share a step from now on; only the kernels can be told, with None they are measured."""
    most = torch.get_num_threads()
    if not isinstance(forward, NativeDecoder):
        return StepThreads(most)
    forward.threads = threads or choose_threads(forward, cache, pages, most)
    log.info("threads_chosen per_step=%d of=%d from_tokens=%d", forward.threads.most, most, forward.threads.shared_from)
    return forward.threads


def _shape(config: ServingConfig, folder: Path, model: PreTrainedModel, prepared: Prepared) -> BaseShape:
    name, aliases = _names(config, folder)
    prefix = f"{model.base_model_prefix}."
    return BaseShape(
        name=name,
        modules={full.removeprefix(prefix): linear for full, linear in prepared.served.items()},
        prefix=prefix,
        unserved=prepared.unserved,
        aliases=aliases,
        ends=prepared.ends,
        tied=bool(prepared.tied),
        weights=BaseWeights(folder, prefix, prepared.tied),
    )


def _names(config: ServingConfig, folder: Path) -> tuple[str, frozenset[str]]:
    """What clients call the base, and what else an adapter's config may call it."""
    hub_id = None if Path(config.base).is_dir() else str(config.base).removeprefix("hf:").partition("@")[0]
    name = config.base_name or Path(hub_id or folder).name
    return name, frozenset(each for each in (hub_id, str(folder)) if each)


def _load_vocabulary(folder: Path) -> Vocabulary:
    if not (folder / "tokenizer.json").is_file():
        raise BaseModelUnusable(f"{folder} has no tokenizer.json. Save the tokenizer as a fast one.")
    try:
        return Vocabulary.of(AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False))
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise BaseModelUnusable(f"The tokenizer in {folder} cannot be loaded: {error}") from error


def _check_vocabulary(vocabulary: Vocabulary, model: PreTrainedModel) -> None:
    """A token without an embedding would end the engine when somebody first writes it."""
    embedding = model.get_input_embeddings().weight
    assert isinstance(embedding, torch.Tensor)
    if vocabulary.size > embedding.shape[0]:
        raise BaseModelUnusable(
            f"The tokenizer has {vocabulary.size} tokens, but the model has embeddings for {embedding.shape[0]} only."
        )


def _load_model(folder: Path, config: ServingConfig) -> tuple[PreTrainedModel, torch.device]:
    device = choose_device(config.device)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        hf_config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        width = int(getattr(hf_config, "hidden_size", 1024))
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            config=hf_config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            dtype=choose_dtype(config.dtype, device, width, int(getattr(hf_config, "intermediate_size", 4 * width))),
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError) as error:
        raise BaseModelUnusable(f"The base model in {folder} cannot be loaded: {error}") from error
    model, report = loaded
    absent = sorted([*report["missing_keys"], *map(str, report["mismatched_keys"])])
    if absent:  # transformers would go on with random numbers in their place
        raise BaseModelUnusable(f"The weights in {folder} lack {len(absent)} tensors of the model, e.g. {absent[0]}.")
    assert isinstance(model, PreTrainedModel)
    nn.Module.to(model, device)
    nn.Module.eval(model).requires_grad_(False)
    return model, device


def _context_tokens(model: PreTrainedModel, asked: int | None) -> int:
    """The longest sequence whose positions the model knows, or less if less was asked for.

    Scalings that depend on the longest sequence of a batch (longrope, dynamic) are exact below the original length.
    """
    config = model.config
    longest = int(getattr(config, "max_position_embeddings", 2048))
    scaling = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    if scaling.get("rope_type") in ("longrope", "dynamic"):
        longest = min(longest, int(scaling.get("original_max_position_embeddings") or longest))
    if asked is not None and asked > longest:
        raise BaseModelUnusable(f"max_model_len {asked} exceeds the {longest} positions the base model knows.")
    return asked or longest


def _kv_pages(budget_bytes: int | None, context: int, bytes_per_page: int, device: torch.device) -> int:
    """Pages that fit the budget; without one, enough for many full contexts within a part of the free memory."""
    wanted = _CONTEXTS_CACHED * pages_for(context) * bytes_per_page
    pages = (budget_bytes or min(wanted, free_bytes(device) // _MEMORY_SHARE)) // bytes_per_page
    if pages < 1:
        raise BaseModelUnusable(f"kv_bytes {budget_bytes} holds no page; one needs {bytes_per_page} bytes.")
    return int(pages)


def free_bytes(device: torch.device) -> int:
    """Memory of the device that nobody uses at the moment."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return available_bytes()


def _eos_ids(model: PreTrainedModel) -> frozenset[int]:
    generation = getattr(model, "generation_config", None)
    eos = getattr(generation, "eos_token_id", None)
    eos = getattr(model.config, "eos_token_id", None) if eos is None else eos
    return frozenset([eos] if isinstance(eos, int) else eos or ())
