"""The default budget of the KV cache follows the model, its context and the machine's memory."""

import logging

import pytest
import torch

from serving.base.kv_budget import default_kv_bytes, kv_pages, weight_bytes
from serving.errors import BaseModelUnusable
from serving.kv.pages import PAGE_TOKENS
from tests.serving.base.models import config_of, model_of

CPU = torch.device("cpu")
PAGE = 1000
PLENTY = 1 << 50


def test_a_tiny_model_gets_a_small_cache() -> None:
    """A model of 1 MB with 6 KB per token: 96 MB, not 768."""
    budget = default_kv_bytes(1 << 20, 512, 6144 * PAGE_TOKENS, CPU, PLENTY)

    assert budget == 16_384 * 6144


def test_one_full_context_always_fits() -> None:
    assert default_kv_bytes(0, 131_072, PAGE, CPU, PLENTY) == 131_072 // PAGE_TOKENS * PAGE


def test_a_large_model_gets_as_much_as_its_weights() -> None:
    assert default_kv_bytes(10**12, 512, PAGE, CPU, PLENTY) == 10**12


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_quarter_of_the_free_memory_is_the_limit(device: str) -> None:
    assert default_kv_bytes(10**12, 131_072, 10**9, torch.device(device), 400) == 100


def test_a_gpu_takes_many_contexts_at_start() -> None:
    assert default_kv_bytes(0, 160, PAGE, torch.device("cuda"), PLENTY) == 64 * 160 // PAGE_TOKENS * PAGE


def test_the_budget_is_logged_at_start(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    assert kv_pages(10 * PAGE + 5, 0, 80, PAGE, CPU) == 10

    assert f"bytes={10 * PAGE} tokens={10 * PAGE_TOKENS} contexts={2 * PAGE_TOKENS / 16:.1f}" in caplog.text
    assert "chosen_by=operator" in caplog.text


def test_a_budget_below_one_page_is_refused() -> None:
    with pytest.raises(BaseModelUnusable, match="--kv-bytes"):
        kv_pages(PAGE - 1, 0, 80, PAGE, CPU)


def test_tied_weights_count_once() -> None:
    tied, untied = (model_of(config_of("llama", tie_word_embeddings=each)) for each in (True, False))

    assert weight_bytes(untied) - weight_bytes(tied) == 96 * 32 * 4
