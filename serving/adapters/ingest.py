"""From an adapter's files to its blob: validate everything, fold the tensors, round once, write once."""

import logging
from pathlib import Path

import torch

from serving.adapters.base_shape import BaseShape
from serving.adapters.blob import AdapterBlob, BlobKey, Traits, open_blob, write_blob
from serving.adapters.digests import CONFIG_FILE, TEMPLATE_FILE, WEIGHTS_FILE
from serving.adapters.durable import read_failed, read_whole
from serving.adapters.folding import check_tied, fold
from serving.adapters.layout import Extent, place, views
from serving.adapters.magnitude import USUAL_OUTPUT_RMS, check_magnitude, output_rms
from serving.adapters.mistaken_content import START_BYTES, mistaken_content
from serving.adapters.spec import MAX_RANK, AdapterSpec, ModuleSpec
from serving.adapters.tensors import check_layout, read_modules
from serving.errors import AdapterCorrupt, AdapterIncompatible
from serving.lora.slot import HEAD, LoraModule
from serving.prompts.template_check import template_problem

log = logging.getLogger("serving.adapters")


def ingest(
    adapter: str, files: Path, key: BlobKey, base: BaseShape, blobs: Path, *, max_rank: int = MAX_RANK
) -> AdapterBlob:
    """Validate the adapter in the folder `files` against `base` and store it in the folder `blobs` under `key`.

    An adapter that is stored can be served: its chat template compiles, and its numbers do not overflow. adapter is
    what errors call it. Blocking. Raises AdapterCorrupt, AdapterIncompatible, StorageFailed, and then stores nothing;
    ChatTemplateFailed or NotReady if the process that compiles templates does not start.
    """
    spec = AdapterSpec.parse(read_whole(files / CONFIG_FILE), base, adapter, max_rank=max_rank)
    weights = files / WEIGHTS_FILE
    check_layout(weights, spec, adapter)  # before the allocation: a small file must not make us reserve gigabytes
    _check_template(files / TEMPLATE_FILE, adapter)
    placements, payload_bytes = place(map(_extent, spec.modules), key.dtype)
    payload = torch.zeros(payload_bytes, dtype=torch.uint8)
    modules = views(payload, placements, key.dtype)
    changes, embedding = False, None
    for tensors in read_modules(weights, spec, adapter):
        if spec.tied and tensors.module.name == HEAD:
            check_tied(embedding, tensors, adapter)
        embedding = tensors if tensors.module.is_embedding else embedding
        into = modules[tensors.module.name]
        changes |= fold(tensors, into, base.weights, adapter)
        check_magnitude(tensors.module.name, into, adapter)
    if not changes:
        raise AdapterIncompatible(
            adapter, "lora_B", "all zero, as before training: it would answer as the base does under another name"
        )
    _report_unusual(modules, adapter)
    path = write_blob(blobs, key, placements, payload, Traits(spec.invocation, spec.variant))
    try:
        return open_blob(blobs, key)
    except OSError as error:
        raise read_failed(path, error) from error


def _extent(module: ModuleSpec) -> Extent:
    """Kernels know no rank 0, so a module without a low-rank product gets one of zeros."""
    d_in, d_out, _ = module.shape
    return Extent(
        module.name,
        max(module.rank, len(module.tokens), 1),
        d_in,
        d_out,
        gain=module.magnitude,
        offset=module.has_offset,
        weight_rows=0 if not module.whole else d_in if module.is_embedding else d_out,
    )


def _check_template(path: Path, adapter: str) -> None:
    """Refuses a chat template that no request could be rendered with."""
    try:
        raw = read_whole(path)
    except FileNotFoundError:
        return
    problem = mistaken_content(raw[:START_BYTES])
    if problem is not None:
        raise AdapterCorrupt(adapter, path.name, f"it is {problem}")
    try:
        template = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise AdapterCorrupt(
            adapter, path.name, f"line {line}: not valid UTF-8 (byte {raw[error.start]:#04x} at offset {error.start})"
        ) from error
    problem = template_problem(template)
    if problem is not None:
        raise AdapterCorrupt(adapter, path.name, problem)


def _report_unusual(modules: dict[str, LoraModule], adapter: str) -> None:
    """Logs the layer that the adapter changes most, if that is far more than training gives."""
    largest, name = max((output_rms(name, module), name) for name, module in modules.items())
    if not largest <= USUAL_OUTPUT_RMS:
        log.warning(
            "adapter_unusually_strong adapter=%s module=%s output_rms=%.3g usual_below=%g",
            adapter,
            name,
            largest,
            USUAL_OUTPUT_RMS,
        )
