"""The oracle itself, on numbers that can be followed by hand."""

import torch

from serving.lora.reference import adapted
from serving.lora.slot import LoraModule

MODULE = LoraModule(
    a=torch.tensor([[1.0, 2.0]]),
    b=torch.tensor([[10.0, 0.0, -1.0]]),
    gain=torch.tensor([1.0, 2.0, 1.0]),
    offset=torch.tensor([0.0, 0.0, 0.5]),
)


def test_a_token_gets_gain_times_the_sum_plus_offset() -> None:
    y, x = torch.ones(2, 3), torch.tensor([[3.0, 1.0], [3.0, 1.0]])

    got = adapted(y, x, [MODULE, None])

    assert got.tolist() == [[51.0, 2.0, -3.5], [1.0, 1.0, 1.0]]  # x Aᵀ = 5
    assert y.tolist() == [[1.0] * 3] * 2


def test_without_gain_and_offset_it_is_plain_lora() -> None:
    plain = LoraModule(MODULE.a, MODULE.b)

    assert adapted(torch.zeros(1, 3), torch.tensor([[0.0, 1.0]]), [plain]).tolist() == [[20.0, 0.0, -2.0]]
