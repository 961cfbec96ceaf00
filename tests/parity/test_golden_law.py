"""The golden law: an adapter is applied exactly as PEFT would apply it, whatever else is in the batch."""

import random
from pathlib import Path

import pytest
import torch

from tests.parity.oracle import TIE_GAP, Oracle, assert_golden, driver_of
from tests.serving.driver import StepDriver
from tests.serving.tiny import VOCAB, save_adapter, save_base

VARIANT_OF = ["plain", "attention", "rslora", "patterns", "wide", "plain", "rslora", "patterns"]
REQUESTS, NEW_TOKENS = 16, 24


@pytest.fixture(
    scope="module",
    params=["llama", "mistral", "qwen2", "qwen3", "llama-torch", "qwen3-torch", "llama-fallback", "mistral-fallback"],
)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[StepDriver, Oracle]:
    work = tmp_path_factory.mktemp(request.param)
    family, _, forward = request.param.partition("-")
    base = save_base(work / "base", family)
    folders = {f"a{i}": save_adapter(work / f"a{i}", base, variant, seed=i) for i, variant in enumerate(VARIANT_OF)}
    driver = driver_of(base, work, forward)
    for name, folder in folders.items():
        driver.add(name, folder)
    return driver, Oracle(base, folders)


def popularity(mix: str, rng: random.Random) -> list[str | None]:
    """Which adapter each request asks for; None is the base."""
    names = [f"a{i}" for i in range(len(VARIANT_OF))]
    match mix:
        case "distinct":
            return [*names, None]
        case "uniform":
            return rng.choices([*names, None], k=REQUESTS)
        case "zipf":
            return rng.choices([*names, None], weights=[1 / rank for rank in range(1, len(names) + 2)], k=REQUESTS)
        case "identical":
            return ["a3"] * REQUESTS
    return [None] * REQUESTS


@pytest.mark.parametrize("mix", ["distinct", "uniform", "zipf", "identical", "base"])
def test_every_token_has_the_logits_peft_computes_for_its_adapter(world: tuple[StepDriver, Oracle], mix: str) -> None:
    driver, oracle = world
    rng = random.Random(mix)
    asked = popularity(mix, rng)
    prompts = [[rng.randrange(5, VOCAB) for _ in range(rng.randrange(1, 40))] for _ in asked]
    sequences = [
        driver.sequence(f"{mix}-{i}", adapter, prompt, NEW_TOKENS, tenant=f"t{i % 3}")
        for i, (adapter, prompt) in enumerate(zip(asked, prompts, strict=True))
    ]

    assert_golden(driver, oracle, asked, sequences)


def test_in_bf16_logits_stay_within_a_twentieth_of_their_range(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")
    folders = {f"a{i}": save_adapter(tmp_path / f"a{i}", base, variant, seed=i) for i, variant in enumerate(VARIANT_OF)}
    driver = StepDriver(base, tmp_path, dtype="bf16")
    for name, folder in folders.items():
        driver.add(name, folder)
    oracle = Oracle(base, folders)
    rng = random.Random(5)
    sequences = [driver.sequence(name, name, [rng.randrange(5, VOCAB) for _ in range(20)], 8) for name in folders]

    driver.run(sequences)

    for sequence in sequences:
        expected = oracle.logits(sequence.request_id, sequence)
        got = torch.stack(driver.logits[sequence.request_id])
        assert (got - expected).abs().max().item() <= 0.05 * (expected.max() - expected.min()).item()


def test_adapters_change_the_output(world: tuple[StepDriver, Oracle]) -> None:
    """Without this, the law above would hold for a server that ignores adapters equal to nothing."""
    driver, _ = world
    prompt = list(range(10, 30))
    names = [None, *driver.digests]

    outputs = driver.run([driver.sequence(f"differ-{name}", name, prompt, 16) for name in names])

    assert len({tuple(tokens) for tokens in outputs.values()}) == len(names)


@pytest.mark.parametrize("mix", ["uniform", "zipf"])
def test_batched_equals_one_by_one(world: tuple[StepDriver, Oracle], mix: str) -> None:
    driver, _ = world
    rng = random.Random(7)
    asked = popularity(mix, rng)
    prompts = [[rng.randrange(5, VOCAB) for _ in range(rng.randrange(1, 30))] for _ in asked]

    def sequences(label: str):  # type: ignore[no-untyped-def]
        return [driver.sequence(f"{label}-{i}", a, p, 16) for i, (a, p) in enumerate(zip(asked, prompts, strict=True))]

    together = driver.run(sequences(f"{mix}-together"))
    alone: dict[str, list[int]] = {}
    for sequence in sequences(f"{mix}-alone"):
        alone |= driver.run([sequence])

    for i in range(len(asked)):
        batched, single = together[f"{mix}-together-{i}"], alone[f"{mix}-alone-{i}"]
        logits = torch.stack(driver.logits[f"{mix}-alone-{i}"])
        first = next((k for k, (a, b) in enumerate(zip(batched, single, strict=True)) if a != b), None)
        if first is not None:  # from a tie on, the two may take different ways
            top = logits[first].topk(2).values
            assert (top[0] - top[1]).item() < TIE_GAP
