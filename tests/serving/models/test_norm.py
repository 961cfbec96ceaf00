"""RMS normalisation."""

import pytest
import torch
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from serving.models.norm import Norm


@pytest.mark.parametrize("eps", [1e-6, 0.5])
def test_rows_have_the_root_mean_square_of_the_weight(eps: float) -> None:
    weight, x = torch.randn(8), torch.randn(3, 8)

    got = Norm(weight, eps)(x)

    assert torch.allclose(got, weight * x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps))


def test_it_equals_hugging_faces_and_keeps_a_weight_of_its_own() -> None:
    module = LlamaRMSNorm(8, 1e-5)
    torch.nn.init.normal_(module.weight)
    norm, x = Norm.of(module), torch.randn(2, 3, 8)
    expected = module(x).detach()

    module.weight.data.zero_()

    assert torch.allclose(norm(x), expected, atol=1e-6)
