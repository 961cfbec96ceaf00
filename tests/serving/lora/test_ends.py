"""Adapters at the two ends equal the reference: an embedding is a linear layer whose input is one-hot."""

import pytest
import torch
from torch.nn.functional import linear, one_hot

from serving.lora.ends import adapt_embedding, adapt_head
from serving.lora.plan import LoraPlan, Segment
from serving.lora.reference import adapted
from serving.lora.slot import EMBEDDING, HEAD, LoraModule, Slot
from serving.types import AdapterDigest

VOCABULARY, WIDTH = 50, 24
KINDS = ("plain", "scaled", "whole", "absent")


def make_slot(kind: str, seed: int) -> Slot:
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    modules = {"layers.0.m": LoraModule(random(2, WIDTH), random(2, WIDTH))}
    for name, d_in, d_out in ((EMBEDDING, VOCABULARY, WIDTH), (HEAD, WIDTH, VOCABULARY)):
        if kind == "whole":
            a, b = torch.zeros(1, d_in), torch.zeros(1, d_out)
            modules[name] = LoraModule(a, b, weight=random(VOCABULARY, WIDTH))
        elif kind != "absent":
            scaled = (random(d_out), random(d_out)) if kind == "scaled" else (None, None)
            modules[name] = LoraModule(random(3, d_in), random(3, d_out), *scaled)
    return Slot(AdapterDigest(f"{seed:064x}"), modules, 0)


@pytest.fixture(params=KINDS)
def slot(request: pytest.FixtureRequest) -> Slot:
    return make_slot(request.param, KINDS.index(request.param))


@pytest.fixture
def plan(slot: Slot) -> LoraPlan:
    """Rows 2 and 3 belong to the slot, row 5 to another, the rest to the base."""
    return LoraPlan((Segment(slot, 2, 4), Segment(make_slot("scaled", 9), 5, 6)))


def owners(plan: LoraPlan, name: str) -> list[LoraModule | None]:
    modules: list[LoraModule | None] = [None] * 8
    for segment in plan.segments:
        modules[segment.start : segment.end] = [segment.slot.modules.get(name)] * (segment.end - segment.start)
    return modules


def test_embedded_tokens_get_their_own_adapter(plan: LoraPlan) -> None:
    embedding, ids = torch.randn(VOCABULARY, WIDTH), torch.arange(8) * 5
    modules = owners(plan, EMBEDDING)
    before = [embedding if each is None or each.weight is None else each.weight for each in modules]
    y = torch.stack([weight[i] for weight, i in zip(before, ids, strict=True)])
    hidden = embedding[ids].clone()

    adapt_embedding(hidden, ids, plan)

    torch.testing.assert_close(hidden, adapted(y, one_hot(ids, VOCABULARY).float(), modules))


@pytest.mark.parametrize("biased", [False, True])
def test_logits_get_their_own_adapter(plan: LoraPlan, *, biased: bool) -> None:
    head, x = torch.randn(VOCABULARY, WIDTH), torch.randn(8, WIDTH)
    bias = torch.randn(VOCABULARY) if biased else None
    modules = owners(plan, HEAD)
    weights = [head if each is None or each.weight is None else each.weight for each in modules]
    y = torch.stack([linear(row, weight, bias) for row, weight in zip(x, weights, strict=True)])
    logits = linear(x, head, bias)

    adapt_head(logits, x, plan, bias)

    torch.testing.assert_close(logits, adapted(y, x, modules), atol=1e-4, rtol=1e-4)
