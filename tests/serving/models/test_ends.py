"""Embedding, final norm and head."""

import pytest
import torch
from torch.nn.functional import linear

from serving.lora.plan import LoraPlan, Segment
from serving.lora.slot import EMBEDDING, HEAD, LoraModule, Slot
from serving.models.ends import Ends
from serving.types import AdapterDigest
from tests.serving.base.models import config_of, model_of

IDS = torch.tensor([5, 90, 5, 0])
WIDTH, VOCABULARY = 32, 96


@pytest.mark.parametrize("tied", [True, False])
def test_they_equal_the_models_own(*, tied: bool) -> None:
    model = model_of(config_of("llama", tie_word_embeddings=tied), spread=0.3)
    ends, x = Ends.of(model), torch.randn(3, WIDTH)

    assert torch.equal(ends.embed(IDS, None), model.model.embed_tokens(IDS))
    assert torch.allclose(ends.logits(x, None), model.lm_head(model.model.norm(x)), atol=1e-5)


def test_an_adapter_changes_its_own_rows_only() -> None:
    model = model_of(config_of("llama"), spread=0.3)
    ends, x = Ends.of(model), torch.randn(4, WIDTH)
    modules = {
        EMBEDDING: LoraModule(torch.randn(2, VOCABULARY), torch.randn(2, WIDTH)),
        HEAD: LoraModule(torch.randn(2, WIDTH), torch.randn(2, VOCABULARY)),
    }
    plan = LoraPlan.of([Segment(Slot(AdapterDigest("a"), modules, 0), 1, 3)])

    hidden, logits = ends.embed(IDS, plan), ends.logits(x, plan)

    added = modules[EMBEDDING].a[:, IDS].T @ modules[EMBEDDING].b
    assert torch.allclose((hidden - ends.embed(IDS, None))[1:3], added[1:3], atol=1e-5)
    normed = model.model.norm(x)
    expected = linear(normed, model.lm_head.weight) + normed @ modules[HEAD].a.T @ modules[HEAD].b
    assert torch.allclose(logits[1:3], expected[1:3], atol=1e-4)
    for got, base in ((hidden, ends.embed(IDS, None)), (logits, ends.logits(x, None))):
        assert torch.equal(got[[0, 3]], base[[0, 3]])


def test_a_bias_of_the_head_is_added() -> None:
    model = model_of(config_of("llama", tie_word_embeddings=False))
    model.lm_head.bias = torch.nn.Parameter(torch.randn(VOCABULARY))
    x = torch.randn(2, WIDTH)

    assert torch.allclose(Ends.of(model).logits(x, None), model.lm_head(model.model.norm(x)), atol=1e-5)
