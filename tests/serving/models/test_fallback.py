"""Hugging Face's forward with our attention: what it notes, and what it refuses."""

import pytest
import torch
from torch import nn
from transformers import DiffLlamaConfig, GPT2Config

from serving.errors import BaseModelUnusable
from serving.kv.cache import KvCache, LayerShape
from serving.models.fallback import HuggingFaceForward, paged_attention
from serving.models.step import Step
from tests.serving.base.models import SHAPE, config_of, model_of

CPU = torch.device("cpu")
IDS = torch.tensor([5, 90, 7, 8, 20])


def noted(config: object) -> HuggingFaceForward:
    forward = HuggingFaceForward(model_of(config), {}, {})
    forward.note_layers(IDS)
    return forward


def test_every_layer_notes_the_shape_of_its_keys_and_values() -> None:
    assert noted(config_of("qwen3")).layers == dict.fromkeys(range(3), LayerShape(2, 16, 16))


@torch.inference_mode()
def test_a_prompt_and_decode_steps_equal_one_pass() -> None:
    config = GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=64, vocab_size=96)
    expected = model_of(config)(input_ids=IDS[None]).logits[0]
    forward = noted(config)
    cache = KvCache(forward.layers, 1, torch.float32, CPU)

    for start, end in ((0, 3), (3, 4), (4, 5)):
        step = Step(IDS[start:end], torch.arange(start, end), None, [[0]], [(start, end)], int(start > 0), None)

        assert torch.allclose(forward.forward(step, cache), expected[start:end], atol=1e-5)


@torch.inference_mode()
def test_only_the_wanted_rows_have_logits() -> None:
    forward = noted(config_of("llama"))
    cache = KvCache(forward.layers, 1, torch.float32, CPU)
    step = Step(IDS, torch.arange(5), torch.tensor([4, 1]), [[0]], [(0, 5)], 0, None)

    assert forward.forward(step, cache).shape == (2, 96)


def test_a_layer_that_attends_twice_is_refused() -> None:
    with pytest.raises(BaseModelUnusable, match="layer 0 calls attention more than once"):
        noted(DiffLlamaConfig(**SHAPE))


@pytest.mark.parametrize(
    ("keywords", "named"),
    [
        ({"softcap": 30.0}, "softcap"),
        ({"s_aux": torch.zeros(4)}, "s_aux"),
        ({"position_bias": torch.zeros(1)}, "position_bias"),
        ({"is_causal": False}, "is_causal=False"),
        ({"attention_mask": torch.ones(1)}, "a mask of its own"),
    ],
)
def test_what_would_change_attention_is_refused_by_name(keywords: dict[str, object], named: str) -> None:
    query, key = torch.randn(1, 4, 3, 8), torch.randn(1, 2, 3, 8)

    with pytest.raises(BaseModelUnusable, match=f"Linear is not served: it needs {named}"):
        paged_attention(nn.Linear(1, 1), query, key, key, **{"attention_mask": None, **keywords})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "keywords", [{"output_router_logits": True}, {"anything": False}, {"anything": None}, {"is_causal": True}]
)
def test_what_changes_nothing_is_ignored(keywords: dict[str, object]) -> None:
    model = model_of(config_of("llama"))
    forward = HuggingFaceForward(model, {}, {})
    expected = model(input_ids=IDS[None]).logits

    got = model(input_ids=IDS[None], **keywords).logits

    assert torch.equal(got, expected)
    assert forward.layers.keys() == {0, 1, 2}
