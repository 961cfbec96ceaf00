"""Which models the fused decoder takes."""

import pytest
from torch import nn
from transformers import GemmaConfig

from serving.base.architecture import is_understood
from tests.serving.base.models import SHAPE, config_of, model_of


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_the_families_are_understood(family: str) -> None:
    assert is_understood(model_of(config_of(family)))


def test_another_class_is_not_understood() -> None:
    assert not is_understood(model_of(GemmaConfig(**SHAPE, head_dim=8)))


@pytest.mark.parametrize("value", [None, False, 0, "", []])
def test_an_unknown_field_without_a_value_does_not_matter(value: object) -> None:
    assert is_understood(model_of(config_of("llama", attention_multiplier=value)))


def test_an_unknown_field_with_a_value_is_not_understood() -> None:
    assert not is_understood(model_of(config_of("llama", attention_multiplier=0.5)))


def test_weights_that_are_not_split_are_the_normal_case() -> None:
    assert is_understood(model_of(config_of("llama", pretraining_tp=1)))
    assert not is_understood(model_of(config_of("llama", pretraining_tp=2)))


def test_a_linear_of_another_class_is_not_understood() -> None:
    class Quantised(nn.Linear):
        pass

    model = model_of(config_of("llama"))
    model.set_submodule("model.layers.1.mlp.up_proj", Quantised(32, 48))

    assert not is_understood(model)
