"""From an adapter's files to its blob: validate everything, fold what they hold, round once, write once."""

from pathlib import Path

import torch

from serving.adapters.base_shape import BaseShape
from serving.adapters.blob import AdapterBlob, BlobKey, Extent, Traits, open_blob, place, views, write_blob
from serving.adapters.digests import CONFIG_FILE, WEIGHTS_FILE
from serving.adapters.folding import check_tied, fold
from serving.adapters.spec import MAX_RANK, AdapterSpec, ModuleSpec
from serving.adapters.tensors import check_layout, read_modules
from serving.errors import AdapterIncompatible
from serving.lora.slot import HEAD


def ingest(
    adapter: str, files: Path, key: BlobKey, base: BaseShape, blobs: Path, *, max_rank: int = MAX_RANK
) -> AdapterBlob:
    """Validate the adapter in the folder `files` against `base` and store it in the folder `blobs` under `key`.

    adapter is what errors call it. Raises AdapterCorrupt, AdapterIncompatible, StorageFailed, and then stores nothing.
    """
    spec = AdapterSpec.parse((files / CONFIG_FILE).read_bytes(), base, adapter, max_rank=max_rank)
    weights = files / WEIGHTS_FILE
    check_layout(weights, spec, adapter)  # before the allocation: a small file must not make us reserve gigabytes
    placements, payload_bytes = place(map(_extent, spec.modules), key.dtype)
    payload = torch.zeros(payload_bytes, dtype=torch.uint8)
    modules = views(payload, placements, key.dtype)
    changes, embedding = False, None
    for tensors in read_modules(weights, spec, adapter):
        if spec.tied and tensors.module.name == HEAD:
            check_tied(embedding, tensors, adapter)
        embedding = tensors if tensors.module.is_embedding else embedding
        changes |= fold(tensors, modules[tensors.module.name], base.weights, adapter)
    if not changes:
        raise AdapterIncompatible(
            adapter, "lora_B", "all zero, as before training: it would answer as the base does under another name"
        )
    write_blob(blobs, key, placements, payload, Traits(spec.invocation, spec.variant))
    return open_blob(blobs, key)


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
