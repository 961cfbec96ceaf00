"""The decoder with the kernels computes what Hugging Face computes, in prompts, in mixed steps and in graphs."""

import pytest
import torch

from serving.gpu.decoder import GpuDecoder
from serving.gpu.graphs import Capture, CudaCapture, GraphKey, Recorded, RepeatedRun, Run
from serving.kv.cache import KvCache
from serving.kv.pages import PAGE_TOKENS, pages_for
from serving.lora.plan import LoraPlan, Segment
from serving.lora.slot import EMBEDDING, HEAD, LoraModule, Slot
from serving.models.fused import FusedDecoder
from serving.models.step import Step
from serving.types import AdapterDigest
from tests.serving.gpu.machine import DEVICE, INTERPRETED
from tests.serving.models.test_fused import random_config, random_model

CONTEXT = 96


def capture() -> Capture:
    return RepeatedRun() if INTERPRETED else CudaCapture()


class Counted:
    """A capture that counts."""

    def __init__(self) -> None:
        self.captures = 0
        self._capture = capture()

    def __call__(self, run: Run) -> Recorded:
        self.captures += 1
        return self._capture(run)


def decoders(family: str, number: int, captured: Capture | None = None) -> tuple[FusedDecoder, GpuDecoder]:
    """Two of the same weights: in torch, and with kernels."""
    plain, other = (FusedDecoder(random_model(random_config(family, number)).to(DEVICE)) for _ in range(2))
    return plain, GpuDecoder(other, CONTEXT, DEVICE, captured or capture())


def random_slot(decoder: FusedDecoder, number: int, rank: int, *, ends: bool = False) -> Slot:
    """An adapter of all linears with gains and offsets.   ends: and of the embedding and the head."""
    rng = torch.Generator().manual_seed(number)

    def drawn(*shape: int) -> torch.Tensor:
        return (torch.randn(shape, generator=rng) / 8).to(DEVICE)

    inputs = {
        name: projection.weight.shape[1]
        for layer in decoder.decoder_layers
        for projection in layer.projections
        for name in projection.group.members
    }
    modules = {
        name: LoraModule(drawn(rank, inputs[name]), drawn(rank, width), 1 + drawn(width), drawn(width))
        for group in decoder.groups
        for name, width in zip(group.members, group.widths, strict=True)
    }
    if ends:
        vocabulary, width = 96, next(iter(inputs.values()))
        modules[EMBEDDING] = LoraModule(drawn(rank, vocabulary), drawn(rank, width))
        modules[HEAD] = LoraModule(drawn(rank, width), drawn(rank, vocabulary), offset=drawn(vocabulary))
    return Slot(AdapterDigest(f"{number:064x}"), modules, 1)


class Pair:
    """The same steps by both decoders, each over a cache full of NaN."""

    def __init__(self, plain: FusedDecoder, kernels: GpuDecoder, sequences: int) -> None:
        self.decoders = plain, kernels
        pages = 2 + sequences * pages_for(CONTEXT)
        self.caches = [KvCache(plain.layers, pages, torch.float32, DEVICE) for _ in range(2)]
        for cache in self.caches:
            for layer in plain.layers:
                cache.arena(layer).fill_(float("nan"))
        order = torch.randperm(pages, generator=torch.Generator().manual_seed(1)).tolist()
        self.tables = [order[i::sequences][: pages_for(CONTEXT)] for i in range(sequences)]
        self.lengths = [0] * sequences

    @torch.inference_mode()
    def step(self, counts: dict[int, int], slots: dict[int, Slot]) -> list[torch.Tensor]:
        """Computes so many next tokens of each sequence; the logits of all of them, by both."""
        order = sorted(
            counts, key=lambda i: (counts[i] > 1 or self.lengths[i] == 0, str(slots.get(i) and slots[i].digest))
        )
        spans = [(self.lengths[i], self.lengths[i] + counts[i]) for i in order]
        segments, at = [], 0
        for i in order:
            if i in slots:
                segments.append(Segment(slots[i], at, at + counts[i]))
            at += counts[i]
            self.lengths[i] += counts[i]
        rng = torch.Generator().manual_seed(sum(self.lengths))
        step = Step(
            token_ids=torch.randint(0, 96, (at,), generator=rng).to(DEVICE),
            positions=torch.cat([torch.arange(*span) for span in spans]).to(DEVICE),
            last=None,
            page_tables=[self.tables[i] for i in order],
            spans=spans,
            decode_rows=sum(counts[i] == 1 and span[0] > 0 for i, span in zip(order, spans, strict=True)),
            lora=LoraPlan.of(segments),
            head_lora=LoraPlan.of([each for each in segments if HEAD in each.slot.modules]),
        )
        return [decoder.forward(step, cache) for decoder, cache in zip(self.decoders, self.caches, strict=True)]


def assert_close(expected: torch.Tensor, got: torch.Tensor) -> None:
    assert (got - expected).abs().max().item() <= 2e-5 * max(1.0, expected.abs().max().item())


@pytest.mark.parametrize(
    ("family", "number"),
    [
        ("qwen3", 1),
        *[pytest.param(f, n, marks=pytest.mark.full) for f in ("llama", "mistral", "qwen2") for n in range(3)],
    ],
)
def test_prompts_mixed_steps_and_graphs_equal_the_torch_decoder(family: str, number: int) -> None:
    plain, kernels = decoders(family, number)
    slots = {1: random_slot(plain, 1, 5), 2: random_slot(plain, 2, 17)}
    pair = Pair(plain, kernels, 4)

    for counts in (
        {0: 20, 1: 3},
        {0: 1, 1: 1, 2: 33},
        {0: 1, 1: 1, 2: 5, 3: 1},
        {0: 1, 1: 1, 2: 1},
        {0: 1, 3: 1},
        {2: 1},
    ):
        assert_close(*pair.step(counts, slots))

    assert kernels.captured == {GraphKey(4, True), GraphKey(2, False), GraphKey(1, True)}


def test_a_graph_serves_every_mix_of_adapters() -> None:
    plain, kernels = decoders("llama", 0)
    slots = [random_slot(plain, number, rank) for number, rank in enumerate((1, 64, 9))]
    pair = Pair(plain, kernels, 3)
    pair.step({0: 4, 1: 9, 2: 20}, {})

    for mix in ({0: slots[0], 1: slots[1], 2: slots[2]}, {0: slots[2], 1: slots[2]}, {2: slots[1]}):
        assert_close(*pair.step({0: 1, 1: 1, 2: 1}, mix))

    assert kernels.captured == {GraphKey(4, True)}


def test_a_rank_that_outgrows_the_tables_is_captured_anew() -> None:
    counted = Counted()
    plain, kernels = decoders("llama", 0, counted)
    pair = Pair(plain, kernels, 1)
    pair.step({0: 4}, {})
    assert_close(*pair.step({0: 1}, {}))
    assert_close(*pair.step({0: 1}, {0: random_slot(plain, 1, 8)}))

    assert_close(*pair.step({0: 1}, {0: random_slot(plain, 2, 100)}))
    assert_close(*pair.step({0: 1}, {}))

    assert counted.captures == 3, "twice with adapters, once without: what reads no table stays"


def test_adapters_at_the_embedding_and_the_head_run_without_a_graph() -> None:
    plain, kernels = decoders("llama", 0)
    slots = {0: random_slot(plain, 1, 8, ends=True), 1: random_slot(plain, 2, 3)}
    pair = Pair(plain, kernels, 2)

    assert_close(*pair.step({0: 4, 1: 2}, slots))
    assert_close(*pair.step({0: 1, 1: 1}, slots))

    assert not kernels.captured


def test_another_cache_is_captured_anew() -> None:
    counted = Counted()
    plain, kernels = decoders("llama", 0, counted)

    for _ in range(2):
        pair = Pair(plain, kernels, 1)
        pair.step({0: PAGE_TOKENS - 1}, {})
        assert_close(*pair.step({0: 1}, {}))
        assert_close(*pair.step({0: 1}, {}))

    assert counted.captures == 2
