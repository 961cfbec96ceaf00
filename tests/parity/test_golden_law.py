"""The golden law: an adapter is applied exactly as PEFT would apply it, whatever else is in the batch."""

import random
from pathlib import Path

import pytest
import torch
from peft import PeftModel

from tests.serving.driver import StepDriver
from tests.serving.tiny import VOCAB, peft_reference, save_adapter, save_base

VARIANT_OF = ["plain", "attention", "rslora", "patterns", "wide", "plain", "rslora", "patterns"]
REQUESTS, NEW_TOKENS = 16, 24
LOGIT_TOLERANCE, TIE_GAP = 1e-4, 2e-4


@pytest.fixture(scope="module", params=["llama", "mistral", "qwen2", "llama-fallback", "mistral-fallback"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[StepDriver, PeftModel]:
    work = tmp_path_factory.mktemp(request.param)
    family, _, forward = request.param.partition("-")
    base = save_base(work / "base", family)
    folders = {f"a{i}": save_adapter(work / f"a{i}", base, variant, seed=i) for i, variant in enumerate(VARIANT_OF)}
    with pytest.MonkeyPatch.context() as patch:
        if forward == "fallback":
            patch.setattr("serving.models.prepare.is_understood", lambda model: False)
        driver = StepDriver(base, work)
    assert bool(driver.base.backbone.groups) == (forward != "fallback")
    for name, folder in folders.items():
        driver.add(name, folder)
    return driver, peft_reference(base, folders)


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
def test_every_token_has_the_logits_peft_computes_for_its_adapter(
    world: tuple[StepDriver, PeftModel], mix: str
) -> None:
    driver, reference = world
    rng = random.Random(mix)
    asked = popularity(mix, rng)
    prompts = [[rng.randrange(5, VOCAB) for _ in range(rng.randrange(1, 40))] for _ in asked]
    sequences = [
        driver.sequence(f"{mix}-{i}", adapter, prompt, NEW_TOKENS, tenant=f"t{i % 3}")
        for i, (adapter, prompt) in enumerate(zip(asked, prompts, strict=True))
    ]

    outputs = driver.run(sequences)

    ties = 0
    for sequence, adapter in zip(sequences, asked, strict=True):
        expected = teacher_forced(reference, adapter, sequence.token_ids, sequence.prompt_len)
        got = torch.stack(driver.logits[sequence.request_id])
        assert (got - expected).abs().max().item() <= LOGIT_TOLERANCE
        ties += greedy_differences(expected, outputs[sequence.request_id])
    assert ties <= 0.005 * len(asked) * NEW_TOKENS


def test_in_bf16_logits_stay_within_a_twentieth_of_their_range(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")
    folders = {f"a{i}": save_adapter(tmp_path / f"a{i}", base, variant, seed=i) for i, variant in enumerate(VARIANT_OF)}
    driver = StepDriver(base, tmp_path, dtype="bf16")
    for name, folder in folders.items():
        driver.add(name, folder)
    reference = peft_reference(base, folders)
    rng = random.Random(5)
    sequences = [driver.sequence(name, name, [rng.randrange(5, VOCAB) for _ in range(20)], 8) for name in folders]

    driver.run(sequences)

    for sequence in sequences:
        expected = teacher_forced(reference, sequence.request_id, sequence.token_ids, sequence.prompt_len)
        got = torch.stack(driver.logits[sequence.request_id])
        assert (got - expected).abs().max().item() <= 0.05 * (expected.max() - expected.min()).item()


def teacher_forced(reference: PeftModel, adapter: str | None, token_ids: list[int], prompt_len: int) -> torch.Tensor:
    """PEFT's logits for each output token, given our own tokens before it: [output tokens, vocab]."""
    inputs = torch.tensor([token_ids])
    with torch.inference_mode():
        if adapter is None:
            with reference.disable_adapter():
                logits = reference(input_ids=inputs).logits[0]
        else:
            reference.set_adapter(adapter)
            logits = reference(input_ids=inputs).logits[0]
    return logits[prompt_len - 1 : -1]


def greedy_differences(expected: torch.Tensor, tokens: list[int]) -> int:
    """How many tokens differ from PEFT's choice; each of these must be a tie in PEFT's own eyes."""
    top = expected.topk(2, dim=-1)
    differing = [i for i, token in enumerate(tokens) if token != top.indices[i, 0].item()]
    for i in differing:
        assert (top.values[i, 0] - top.values[i, 1]).item() < TIE_GAP
    return len(differing)


def test_adapters_change_the_output(world: tuple[StepDriver, PeftModel]) -> None:
    """Without this, the law above would hold for a server that ignores adapters equal to nothing."""
    driver, _ = world
    prompt = list(range(10, 30))
    names = [None, *driver.digests]

    outputs = driver.run([driver.sequence(f"differ-{name}", name, prompt, 16) for name in names])

    assert len({tuple(tokens) for tokens in outputs.values()}) == len(names)


@pytest.mark.parametrize("mix", ["uniform", "zipf"])
def test_batched_equals_one_by_one(world: tuple[StepDriver, PeftModel], mix: str) -> None:
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
