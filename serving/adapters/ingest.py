"""From an adapter's files to its blob: validate everything, fold the scale into B, round once, write once."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from serving.adapters.base_shape import BaseShape
from serving.adapters.blob import AdapterBlob, BlobKey, open_blob, place, views, write_blob
from serving.adapters.digests import CONFIG_FILE, WEIGHTS_FILE
from serving.adapters.spec import MAX_RANK, AdapterSpec
from serving.adapters.tensors import LoraPair, check_layout, read_pairs
from serving.errors import AdapterIncompatible
from serving.lora.slot import LoraModule


def ingest(
    adapter: str, files: Path, key: BlobKey, base: BaseShape, blobs: Path, *, max_rank: int = MAX_RANK
) -> AdapterBlob:
    """Validate the adapter in the folder `files` against `base` and store it in the folder `blobs` under `key`.

    adapter is what errors call it. Raises AdapterCorrupt, AdapterIncompatible, StorageFailed, and then stores nothing.
    """
    spec = AdapterSpec.parse((files / CONFIG_FILE).read_bytes(), base, adapter, max_rank=max_rank)
    weights = files / WEIGHTS_FILE
    check_layout(weights, spec, adapter)  # before the allocation: a small file must not make us reserve gigabytes
    placements, payload_bytes = place([(m.name, m.rank, m.d_in, m.d_out) for m in spec.modules], key.dtype)
    payload = torch.zeros(payload_bytes, dtype=torch.uint8)
    _fold(read_pairs(weights, spec, adapter), views(payload, placements, key.dtype), adapter)
    write_blob(blobs, key, placements, payload)
    return open_blob(blobs, key)


def _fold(pairs: Iterable[LoraPair], layers: Mapping[str, LoraModule], adapter: str) -> None:
    """a = A and b = (scale * B).T for every layer: the product in fp32, rounded once to the serving dtype."""
    changes_something = False
    for pair in pairs:
        layer = layers[pair.module.name]
        layer.a.copy_(pair.a)
        layer.b.copy_((pair.b * pair.module.scale).T)
        if not bool(torch.isfinite(layer.a).all() and torch.isfinite(layer.b).all()):
            raise AdapterIncompatible(adapter, pair.module.full_name, f"overflows in {layer.a.dtype}")
        changes_something = changes_something or bool(pair.a.any() and pair.b.any())
    if not changes_something:
        raise AdapterIncompatible(
            adapter, "lora_B", "all zero, as before training: it would answer as the base does under another name"
        )
