"""Folded, a module does exactly what its tensors say: y ← gain ⊙ (y + x Aᵀ B) + offset against the plain formula."""

from typing import Any

import pytest
import torch

from serving.adapters.base_shape import LinearShape
from serving.adapters.folding import check_tied, fold
from serving.adapters.spec import ModuleSpec
from serving.adapters.tensors import ModuleTensors
from serving.errors import AdapterIncompatible
from serving.lora.slot import EMBEDDING, LoraModule

SHAPE = LinearShape(6, 5)


def tensors(scale: float = 2.0, **fields: Any) -> ModuleTensors:
    torch.manual_seed(0)
    module = ModuleSpec("x", "model.x", SHAPE, rank=3, scale=scale, lora_bias="lora_bias" in fields)
    return ModuleTensors(module, **{"a": torch.randn(3, 6), "b": torch.randn(5, 3), **fields})


def blank(dtype: torch.dtype = torch.float32, *, offset: bool = False) -> LoraModule:
    return LoraModule(
        torch.zeros(3, 6, dtype=dtype), torch.zeros(3, 5, dtype=dtype), offset=torch.zeros(5) if offset else None
    )


def test_the_scale_is_folded_into_b_and_rounded_once() -> None:
    stored, into = tensors(scale=1 / 3), blank(torch.bfloat16)

    assert fold(stored, into, None, "test")

    assert stored.a is not None
    assert stored.b is not None
    assert torch.equal(into.a, stored.a.bfloat16())
    assert torch.equal(into.b, (stored.b / 3).T.bfloat16())


def test_the_bias_of_b_is_scaled_too() -> None:
    into = blank(offset=True)

    fold(tensors(lora_bias=torch.arange(5.0)), into, None, "test")

    assert into.offset is not None
    assert torch.equal(into.offset, 2 * torch.arange(5.0))


@pytest.mark.parametrize("zero", ["a", "b"])
def test_a_product_of_zero_changes_nothing(zero: str) -> None:
    shape = (3, 6) if zero == "a" else (5, 3)

    assert not fold(tensors(**{zero: torch.zeros(shape)}), blank(), None, "test")


def test_a_number_beyond_the_dtype_is_refused() -> None:
    with pytest.raises(AdapterIncompatible, match=r"model\.x: overflows in torch\.float32"):
        fold(tensors(b=torch.full((5, 3), 3e38)), blank(), None, "test")


def test_the_weights_of_the_base_are_asked_for_only_where_they_are_needed() -> None:
    module = ModuleSpec("x", "model.x", SHAPE, rank=3, magnitude=True)
    into = LoraModule(torch.zeros(3, 6), torch.zeros(3, 5), gain=torch.zeros(5))

    with pytest.raises(AdapterIncompatible, match=r"use_dora: needs the base's weights at 'model\.x'"):
        fold(ModuleTensors(module, torch.ones(3, 6), torch.ones(5, 3), magnitude=torch.ones(5)), into, None, "test")


def test_embedding_and_head_that_are_one_parameter_must_change_alike() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(3, 6), torch.randn(5, 3)
    embedding = ModuleTensors(ModuleSpec(EMBEDDING, "model.embed", SHAPE, rank=3), a, b)
    module = ModuleSpec("lm_head", "lm_head", LinearShape(5, 6), rank=3)

    check_tied(embedding, ModuleTensors(module, b.T, a.T), "test")
    with pytest.raises(AdapterIncompatible, match="ensure_weight_tying"):
        check_tied(embedding, ModuleTensors(module, b.T, a.T + 1), "test")
