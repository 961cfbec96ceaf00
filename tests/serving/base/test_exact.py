"""A rounded model computes in float32 and has its own weights back afterwards."""

import pytest
import torch
from torch import nn
from transformers import Gemma3TextConfig, GPT2Config, MixtralConfig, PreTrainedConfig, PreTrainedModel

from serving.base.exact import in_float32
from tests.serving.base.models import SHAPE, config_of, model_of

IDS = torch.arange(12)[None]


def state_of(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """A copy of all weights by name."""
    return {name: tensor.clone() for name, tensor in nn.Module.state_dict(model).items()}


@pytest.mark.parametrize(
    "config",
    [
        config_of("llama"),
        config_of("qwen2", tie_word_embeddings=True),
        GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=96),
        MixtralConfig(**SHAPE, num_local_experts=4, num_experts_per_tok=2),
    ],
    ids=["llama", "tied", "gpt2", "experts"],
)
@torch.inference_mode()
def test_logits_equal_those_of_the_model_in_float32(config: PreTrainedConfig) -> None:
    model = model_of(config, torch.bfloat16, spread=0.2)
    before = state_of(model)

    with in_float32(model):
        got = model(input_ids=IDS, use_cache=False).logits

    assert got.dtype == torch.float32
    assert all(torch.equal(tensor, before[name]) for name, tensor in state_of(model).items())
    rotary = [each for each in model.modules() if hasattr(each, "inv_freq")]
    frequencies = [each.inv_freq.clone() for each in rotary]
    model.float()
    for each, frequency in zip(rotary, frequencies, strict=True):
        each.inv_freq = frequency
    assert torch.allclose(got, model(input_ids=IDS, use_cache=False).logits, atol=1e-5)


@torch.inference_mode()
def test_a_scaled_embedding_is_exact_but_for_its_own_rows() -> None:
    config = Gemma3TextConfig(**SHAPE, head_dim=8, sliding_window=9)
    model = model_of(config, torch.bfloat16, spread=0.1)

    with in_float32(model):
        got = model(input_ids=IDS, use_cache=False).logits

    expected = model.float()(input_ids=IDS, use_cache=False).logits
    assert (got - expected).abs().max() < 0.02 * expected.abs().max()


@torch.inference_mode()
def test_weights_come_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(config_of("llama"), torch.bfloat16)
    before = state_of(model)

    def fail(*args: object, **kwargs: object) -> None:
        raise ValueError("half-way")

    monkeypatch.setattr(type(model.model.layers[1].mlp), "forward", fail)
    with pytest.raises(ValueError, match="half-way"), in_float32(model):
        model(input_ids=IDS, use_cache=False)

    assert {tensor.dtype for tensor in state_of(model).values()} == {torch.bfloat16}
    assert all(torch.equal(tensor, before[name]) for name, tensor in state_of(model).items())
