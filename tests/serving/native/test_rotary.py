"""Cosines and sines by position."""

import pytest
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from serving.native.rotary import RotaryTable

MODULE = LlamaRotaryEmbedding(LlamaConfig(hidden_size=32, num_attention_heads=4, max_position_embeddings=4096))
DIM = 8


@pytest.mark.parametrize("positions", [1, 1024, 1025, 3000])
def test_the_tables_are_the_modules_with_half_of_the_sines_negated(positions: int) -> None:
    cos, sin = RotaryTable(MODULE, 4096).upto(positions)

    expected_cos, expected_sin = MODULE(torch.empty(1), torch.arange(positions)[None])
    assert torch.equal(cos[:positions], expected_cos[0])
    assert torch.equal(sin[:positions, : DIM // 2], -expected_sin[0, :, : DIM // 2])
    assert torch.equal(sin[:positions, DIM // 2 :], expected_sin[0, :, DIM // 2 :])


def test_a_longer_sequence_extends_the_tables_and_a_shorter_one_reuses_them() -> None:
    table = RotaryTable(MODULE, 4096)
    first, _ = table.upto(10)
    longer, _ = table.upto(len(first) + 1)

    assert len(longer) > len(first)
    assert torch.equal(longer[: len(first)], first)
    assert table.upto(5)[0].data_ptr() == longer.data_ptr()


def test_no_position_beyond_the_limit_is_computed_in_advance() -> None:
    assert len(RotaryTable(MODULE, 100).upto(10)[0]) == 100
