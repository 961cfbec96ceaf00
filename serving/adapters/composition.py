"""Several adapters composed into one: the weighted sum of their products, exactly, as one product of the summed rank.

    Σ wᵢ Bᵢ Aᵢ = [w₁ B₁ | w₂ B₂ | …] [A₁ ; A₂ ; …]

A is stacked, and B is scaled by its adapter's weight, as in PEFT's `add_weighted_adapter(combination_type="cat")`. If B
is served in bf16, a B with a weight other than 1 is rounded once more. A request writes `a+b` or `a*0.7+b*0.3`.
"""

import hashlib
import re
from collections.abc import Sequence

from serving.adapters.blob import AdapterBlob, Allocate, in_memory
from serving.adapters.layout import Extent, place, views
from serving.errors import AdapterIncompatible, InvalidRequest
from serving.lora.slot import LoraModule
from serving.types import AdapterDigest

MAX_PARTS = 8
_MAX_WEIGHT = 100.0
_WEIGHT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,9})?")


def parse(model: str) -> tuple[tuple[str, float], ...] | None:
    """The names and weights of the composition `model`; None for a single name. No name contains '+' or '*'.

    Raises InvalidRequest.
    """
    if "+" not in model and "*" not in model:
        return None
    parts = tuple(_part(each) for each in model.split("+"))
    if len(parts) > MAX_PARTS:
        raise InvalidRequest("model", f"composes {len(parts)} adapters; the most is {MAX_PARTS}")
    return parts


def digest_of(parts: Sequence[tuple[AdapterDigest, float]]) -> AdapterDigest:
    """The composition's digest: sha256 over the sorted (digest, weight) pairs, so their order does not matter."""
    lines = "".join(f"{digest} {weight!r}\n" for digest, weight in sorted(parts))
    return AdapterDigest(hashlib.sha256(b"composition\n" + lines.encode()).hexdigest())


def compose(
    blobs: Sequence[tuple[AdapterBlob, float]], digest: AdapterDigest, allocate: Allocate = in_memory
) -> AdapterBlob:
    """The weighted sum of adapters of one base and dtype, in a buffer of at most the sum of their bytes.

    digest: the composition's. Raises AdapterIncompatible if an adapter is more than low-rank products.
    """
    for blob, _ in blobs:
        check_composable(blob.adapter, blob.traits.variant)
    ranks: dict[str, int] = {}
    shapes: dict[str, tuple[int, int]] = {}
    for blob, _ in blobs:
        for each in blob.placements:
            ranks[each.name] = ranks.get(each.name, 0) + each.rank
            shapes[each.name] = each.d_in, each.d_out
    dtype = blobs[0][0].dtype
    placements, payload_bytes = place((Extent(name, rank, *shapes[name]) for name, rank in ranks.items()), dtype)
    payload = allocate(payload_bytes)
    modules = views(payload, placements, dtype)
    for name, module in modules.items():
        _stack(module, [(blob.modules[name], weight) for blob, weight in blobs if name in blob.modules])
    return AdapterBlob(digest, dtype, payload, placements, modules)


def check_composable(adapter: str, variant: str | None) -> None:
    """Raises AdapterIncompatible, naming the field that makes `adapter` more than low-rank products."""
    if variant is not None:
        problem = "a composition takes only plain LoRA and rsLoRA adapters, whose sum is defined"
        raise AdapterIncompatible(adapter, variant, problem)


def _part(text: str) -> tuple[str, float]:
    name, star, weight = text.partition("*")
    if not name:
        raise InvalidRequest("model", "has an empty name; write a+b or a*0.7+b*0.3")
    if not star:
        return name, 1.0
    if not _WEIGHT.fullmatch(weight) or not 0 < float(weight) <= _MAX_WEIGHT:
        raise InvalidRequest(
            "model", f"{weight!r:.80} is not a weight; write a number above 0 and at most {_MAX_WEIGHT:.0f}"
        )
    return name, float(weight)


def _stack(into: LoraModule, parts: Sequence[tuple[LoraModule, float]]) -> None:
    start = 0
    for module, weight in parts:
        rows = slice(start, start + module.rank)
        into.a[rows] = module.a
        into.b[rows] = (module.b.float() * weight).to(into.b.dtype)
        start += module.rank
