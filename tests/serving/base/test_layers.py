"""Where a model's layers are, which kinds there are, and which windows a sequence reaches past."""

import pytest
from transformers import Gemma3TextConfig, GPT2Config, MambaConfig, PreTrainedConfig, Qwen2MoeConfig, RwkvConfig

from serving.base.layers import is_window_within, layer_kinds, layer_list, windows_within
from serving.errors import BaseModelUnusable
from tests.serving.base.models import CONTEXT, SHAPE, config_of, model_of

DEEP = {**SHAPE, "num_hidden_layers": 8}
EXPERTS = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
}


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        (config_of("llama", num_hidden_layers=8), (0, 1)),
        (config_of("llama", num_hidden_layers=1), (0,)),
        (
            config_of("qwen2", num_hidden_layers=8, use_sliding_window=True, sliding_window=9, max_window_layers=5),
            (0, 5),
        ),
        (Gemma3TextConfig(**DEEP, head_dim=8, sliding_window=9), (0, 5)),
        (Qwen2MoeConfig(**DEEP, **EXPERTS, mlp_only_layers=[3]), (0, 3)),
        (GPT2Config(n_embd=32, n_layer=3, n_head=2, vocab_size=96, scale_attn_by_inverse_layer_idx=True), (0, 1, 2)),
    ],
    ids=["alike", "single", "late-window", "every-sixth-full", "one-without-experts", "own-scale-each"],
)
def test_the_first_layer_of_every_kind_is_named(config: PreTrainedConfig, kinds: tuple[int, ...]) -> None:
    assert layer_kinds(model_of(config)) == kinds


def test_there_are_at_most_six_kinds() -> None:
    config = GPT2Config(n_embd=32, n_layer=9, n_head=2, vocab_size=96, scale_attn_by_inverse_layer_idx=True)

    assert layer_kinds(model_of(config)) == (0, 1, 2, 3, 4, 5)


def test_the_layers_are_found_under_any_name() -> None:
    gpt2 = model_of(GPT2Config(n_embd=32, n_layer=3, n_head=2, vocab_size=96))
    mamba = model_of(MambaConfig(vocab_size=96, hidden_size=32, num_hidden_layers=2, state_size=4))

    assert layer_list(gpt2) is gpt2.transformer.h
    assert layer_list(mamba) is mamba.backbone.layers


def test_a_model_without_such_layers_is_refused() -> None:
    config = RwkvConfig(vocab_size=96, hidden_size=32, num_hidden_layers=2, attention_hidden_size=32)

    with pytest.raises(BaseModelUnusable, match="no list of 2 layers"):
        layer_list(model_of(config))


@pytest.mark.parametrize(("context", "within"), [(100, {}), (101, {"sliding_window": 100})])
def test_a_window_counts_if_sequences_get_longer(context: int, within: dict[str, int]) -> None:
    assert windows_within(model_of(config_of("mistral")), context) == within


@pytest.mark.parametrize(
    "name", ["sliding_window", "attention_chunk_size", "window_size", "local_attention", "my_chunk"]
)
def test_windows_are_known_by_their_names(name: str) -> None:
    assert is_window_within(name, 100, CONTEXT)
    assert not is_window_within(name, CONTEXT, CONTEXT)
    assert not is_window_within(name, None, CONTEXT)
    assert not is_window_within(name, True, CONTEXT)


@pytest.mark.parametrize("name", ["max_window_layers", "chunk_size_feed_forward", "vocab_size"])
def test_other_numbers_are_not_windows(name: str) -> None:
    assert not is_window_within(name, 100, CONTEXT)
