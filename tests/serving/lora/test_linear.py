"""The replacements in a Hugging Face model add the running step's adapters, and nothing without one."""

import torch
from torch import nn

from serving.lora.linear import LoraEmbedding, LoraHead, LoraLinear, LoraStep
from serving.lora.plan import LoraPlan, Segment
from serving.lora.reference import adapted
from serving.lora.slot import EMBEDDING, HEAD, LoraModule, Slot
from serving.types import AdapterDigest


def planned(name: str, module: LoraModule) -> LoraPlan:
    return LoraPlan((Segment(Slot(AdapterDigest("a"), {name: module}, 0), 1, 3),))


def rows_of(module: LoraModule) -> list[LoraModule | None]:
    return [None, module, module, None]


@torch.inference_mode()
def test_a_linear_adds_the_adapter_of_its_module() -> None:
    base, module = nn.Linear(6, 8), LoraModule(torch.randn(2, 6), torch.randn(2, 8))
    step, x = LoraStep(), torch.randn(1, 4, 6)
    linear = LoraLinear(base, "layers.0.q", step)
    assert torch.equal(linear(x), base(x))

    step.plan = planned("layers.0.q", module)

    assert torch.allclose(linear(x)[0], adapted(base(x)[0], x[0], rows_of(module)), atol=1e-5)
    step.plan = planned("layers.1.q", module)
    assert torch.equal(linear(x), base(x))


@torch.inference_mode()
def test_an_embedding_adds_rows_of_a() -> None:
    base, module = nn.Embedding(20, 8), LoraModule(torch.randn(2, 20), torch.randn(2, 8))
    step, ids = LoraStep(), torch.tensor([[3, 4, 5, 6]])
    embedding = LoraEmbedding(base, step)
    assert torch.equal(embedding(ids), base(ids))

    step.plan = planned(EMBEDDING, module)

    one_hot = nn.functional.one_hot(ids[0], 20).float()
    assert torch.allclose(embedding(ids)[0], adapted(base(ids)[0], one_hot, rows_of(module)), atol=1e-5)


@torch.inference_mode()
def test_a_head_follows_the_plan_of_the_wanted_rows() -> None:
    base, module = nn.Linear(6, 20), LoraModule(torch.randn(2, 6), torch.randn(2, 20))
    step, x = LoraStep(), torch.randn(1, 4, 6)
    head = LoraHead(base, step)
    step.plan = planned(HEAD, module)
    assert torch.equal(head(x), base(x))

    step.head_plan = planned(HEAD, module)

    assert torch.allclose(head(x)[0], adapted(base(x)[0], x[0], rows_of(module)), atol=1e-5)
