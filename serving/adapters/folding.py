"""Folds one module's tensors into y ← gain ⊙ (y + x Aᵀ B) + offset, in fp32, rounded once to the serving dtype.

    a = A        b = (scale · B)ᵀ        gain = m / ‖W + scale · B A‖ of each output (DoRA, arXiv 2402.09353)
    offset = own bias − gain ⊙ base's bias + scale · lora_B's bias

y already contains the base's bias, and DoRA scales W x + scale · B A x without it; hence the subtraction. Rows of an
embedding that an adapter replaces are a low-rank product too: one-hot rows of A for the tokens, and as rows of B the
difference between the adapter's row and the base's. At a head that shares the weight, A and B change places.
"""

import torch

from serving.adapters.base_weights import BaseWeights, BaseWeightsUnreadable
from serving.adapters.tensors import ModuleTensors
from serving.errors import AdapterIncompatible
from serving.lora.slot import LoraModule


def fold(tensors: ModuleTensors, into: LoraModule, base: BaseWeights | None, adapter: str) -> bool:
    """Fills `into`, whose a and b are zero. Returns whether the folded module changes the base. adapter: for errors.

    Raises AdapterIncompatible if the base's weights are needed but cannot be read, or a number overflows the dtype.
    """
    module = tensors.module
    try:
        _check_kept(tensors, base, into.a.dtype, adapter)
        gain = None if tensors.magnitude is None else tensors.magnitude / _norms(tensors, _known(base))
        offset = _offset(tensors, gain, base)
        changes = _replace_rows(tensors, into, base)
    except BaseWeightsUnreadable as problem:
        field = "use_dora" if module.magnitude else "bias" if module.own_bias else "target_modules"
        field = "trainable_token_indices" if module.tokens else field
        raise AdapterIncompatible(
            adapter, field, f"needs the base's weights at {module.full_name!r}: {problem}"
        ) from problem
    changes = changes or tensors.weight is not None
    if tensors.a is not None and tensors.b is not None:
        into.a.copy_(tensors.a)
        into.b.copy_((tensors.b * module.scale).T)
        changes = changes or bool(into.a.any() and into.b.any())  # what is left after rounding
    for value, place in ((gain, into.gain), (offset, into.offset), (tensors.weight, into.weight)):
        assert (value is None) == (place is None)
        if value is not None and place is not None:
            place.copy_(value)
    changes = changes or (gain is not None and bool((gain != 1).any())) or (offset is not None and bool(offset.any()))
    for part in (into.a, into.b, into.gain, into.offset, into.weight):
        if part is not None and not bool(torch.isfinite(part).all()):
            raise AdapterIncompatible(adapter, module.full_name, f"overflows in {part.dtype}")
    return changes


def check_tied(embedding: ModuleTensors | None, head: ModuleTensors, adapter: str) -> None:
    """Embedding and head are one parameter for PEFT, so their changes must agree: B A of one is the other's transposed.

    Raises AdapterIncompatible.
    """
    assert embedding is not None
    pairs = (
        (embedding.a, None if head.b is None else head.b.T),
        (embedding.b, None if head.a is None else head.a.T),
        (embedding.weight, head.weight),
    )
    for at_embedding, at_head in pairs:
        if at_embedding is not None and (at_head is None or not torch.equal(at_embedding, at_head)):
            problem = "embedding and output layer share one weight here, but the adapter changes them differently"
            raise AdapterIncompatible(adapter, "ensure_weight_tying", problem)


def _known(base: BaseWeights | None) -> BaseWeights:
    if base is None:
        raise BaseWeightsUnreadable("this base was not loaded from files")
    return base


def _norms(tensors: ModuleTensors, base: BaseWeights) -> torch.Tensor:
    """‖W + scale · B A‖ over the inputs, for each output: [d_out]. An embedding [d_in, d_out] is Wᵀ."""
    module, a, b = tensors.module, tensors.a, tensors.b
    assert a is not None
    assert b is not None
    d_in, d_out, _ = module.shape
    if module.is_embedding:
        squares = torch.zeros(d_out, dtype=torch.float64)
        for rows, weight in base.rows(module.full_name, d_in, d_out):
            squares += (weight + module.scale * (a[:, rows].T @ b.T)).double().square().sum(dim=0)
        return squares.sqrt().float()
    norms = torch.empty(d_out)
    for rows, weight in base.rows(module.full_name, d_out, d_in):
        norms[rows] = torch.linalg.norm(weight + module.scale * (b[rows] @ a), dim=1)
    return norms


def _offset(tensors: ModuleTensors, gain: torch.Tensor | None, base: BaseWeights | None) -> torch.Tensor | None:
    module = tensors.module
    if not module.has_offset:
        return None
    offset = torch.zeros(module.shape.d_out)
    if module.shape.has_bias and (gain is not None or tensors.bias is not None):
        before = _known(base).bias(module.full_name, module.shape.d_out)
        offset += (before if tensors.bias is None else tensors.bias) - (before if gain is None else gain * before)
    if tensors.lora_bias is not None:
        offset += module.scale * tensors.lora_bias
    return offset


def _replace_rows(tensors: ModuleTensors, into: LoraModule, base: BaseWeights | None) -> bool:
    """Folds the adapter's rows of some tokens, relative to the base's as served. Returns whether any differs."""
    if tensors.rows is None:
        return False
    module, (one_hot, other) = tensors.module, (into.a, into.b)
    rows, width = module.shape.d_in, module.shape.d_out
    if not module.is_embedding:
        (one_hot, other), (rows, width) = (other, one_hot), (width, rows)
    before = _known(base).selected_rows(module.embedding, rows, width, module.tokens)
    one_hot[torch.arange(len(module.tokens)), torch.tensor(module.tokens)] = 1
    other.copy_(tensors.rows - before.to(other.dtype).float())
    return bool(other.any())


def _check_kept(tensors: ModuleTensors, base: BaseWeights | None, dtype: torch.dtype, adapter: str) -> None:
    """Refuses a saved copy of the base's weight that differs in the serving dtype: PEFT would load it instead."""
    if tensors.kept is None:
        return
    name = tensors.module.full_name
    for rows, weight in _known(base).rows(name, *tensors.kept.shape):
        if not torch.equal(weight.to(dtype), tensors.kept[rows].to(dtype)):
            raise AdapterIncompatible(
                adapter,
                "target_modules",
                f"its own copy of {name!r} differs from this base's; save it with save_embedding_layers=False, or the "
                "layer with modules_to_save",
            )
