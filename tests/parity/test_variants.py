"""The golden law for every variant of LoRA that is served, beside base requests and other variants in one batch."""

import random
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GPTNeoXConfig

from tests.parity.oracle import Oracle, assert_golden, driver_of
from tests.serving.driver import StepDriver
from tests.serving.tiny import INVOCATION, VARIANTS, VOCAB, save_adapter, save_base, tokenizer

pytestmark = pytest.mark.filterwarnings("ignore")  # PEFT warns about what these adapters do on purpose
NEW_TOKENS = 12
PLAIN = ("plain", "rslora", "ends")
COMPOSITION = {"plain": 0.7, "rslora": 1.5, "ends": 0.3}
MODELS = [*VARIANTS, "plain+rslora+ends"]


@dataclass(frozen=True)
class Lab:
    driver: StepDriver
    oracle: Oracle


def make_lab(work: Path, name: str) -> Lab:
    family, _, forward = name.partition("-")
    base = save_base(work / "base", family)
    folders = {variant: save_adapter(work / variant, base, variant, seed=i) for i, variant in enumerate(VARIANTS)}
    driver = driver_of(base, work, forward)
    oracle = Oracle(base, folders)
    for variant, folder in folders.items():
        driver.add(variant, folder)
    driver.compose("plain+rslora+ends", COMPOSITION)
    oracle.compose("plain+rslora+ends", {part: folders[part] for part in PLAIN}, COMPOSITION)
    return Lab(driver, oracle)


REPRESENTATIVE = ["llama", "qwen2", "qwen2-torch"]
OTHERS = ["mistral", "qwen3", "llama-torch", "mistral-torch", "llama-fallback", "qwen2-fallback", "mistral-fallback"]
ALL = [*REPRESENTATIVE, *OTHERS]


@pytest.fixture(
    scope="module",
    params=[name if name in REPRESENTATIVE else pytest.param(name, marks=pytest.mark.full) for name in ALL],
)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return make_lab(tmp_path_factory.mktemp(request.param), request.param)


def prompt(rng: random.Random, model: str | None) -> list[int]:
    """Random tokens; for an activated LoRA with its invocation in them, sometimes twice."""
    tokens = [rng.randrange(9, VOCAB) for _ in range(rng.randrange(2, 40))]
    if model is not None and model.startswith("activated"):
        for _ in range(rng.randrange(1, 3)):
            at = rng.randrange(len(tokens) + 1)
            tokens[at:at] = INVOCATION
    return tokens


def mix_of(name: str) -> list[str | None]:
    rng = random.Random(name)
    match name:
        case "distinct":
            return [*MODELS, None]
        case "uniform":
            return rng.choices([*MODELS, None], k=24)
        case "zipf":
            order = rng.sample([*MODELS, None], k=len(MODELS) + 1)
            return rng.choices(order, weights=[1 / rank for rank in range(1, len(order) + 1)], k=24)
    return [name] * 6


MIXES = ["distinct", *(pytest.param(mix, marks=pytest.mark.full) for mix in ("uniform", "zipf", *MODELS))]


@pytest.mark.parametrize("mix", MIXES)
def test_every_variant_has_the_logits_peft_computes(lab: Lab, mix: str) -> None:
    rng = random.Random(f"prompts of {mix}")
    asked = mix_of(mix)
    sequences = [
        lab.driver.sequence(f"{mix}-{i}", model, prompt(rng, model), NEW_TOKENS) for i, model in enumerate(asked)
    ]

    assert_golden(lab.driver, lab.oracle, asked, sequences)


def test_every_variant_changes_the_output(lab: Lab) -> None:
    """Without this, the law above would hold for adapters that do nothing."""
    tokens = [*range(10, 30), *INVOCATION, *range(30, 40)]

    names = [None, *MODELS]
    lab.driver.run([lab.driver.sequence(f"differ-{name}", name, tokens, 2) for name in names])

    logits = [lab.driver.logits[f"differ-{name}"][0] for name in names]
    assert all((one - other).abs().max() > 0.01 for one, other in combinations(logits, 2))


def test_in_bf16_every_variant_stays_within_a_twentieth_of_the_logits_range(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base", "qwen2")
    folders = {variant: save_adapter(tmp_path / variant, base, variant, seed=i) for i, variant in enumerate(VARIANTS)}
    driver, oracle, rng = StepDriver(base, tmp_path, dtype="bf16"), Oracle(base, folders), random.Random(3)
    for variant, folder in folders.items():
        driver.add(variant, folder)
    sequences = [driver.sequence(variant, variant, prompt(rng, variant), 8) for variant in VARIANTS]

    driver.run(sequences)

    for sequence in sequences:
        expected = oracle.logits(sequence.request_id, sequence)
        got = torch.stack(driver.logits[sequence.request_id])
        assert (got - expected).abs().max().item() <= 0.05 * (expected.max() - expected.min()).item()


def test_ends_of_any_name_take_adapters_in_the_fallback(tmp_path: Path) -> None:
    """GPT-NeoX calls its embedding embed_in, and has biases everywhere."""
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = GPTNeoXConfig(**shape, vocab_size=VOCAB, bos_token_id=0, eos_token_id=1, pad_token_id=None)
    base = tmp_path / "base"
    AutoModelForCausalLM.from_config(config).eval().save_pretrained(base)
    tokenizer().save_pretrained(base)
    targets = {"plain": ["query_key_value", "embed_in"], "dora": ["dense", "dense_h_to_4h"]}
    folders = {v: save_adapter(tmp_path / v, base, v, target_modules=named) for v, named in targets.items()}
    folders["saved"] = save_adapter(tmp_path / "saved", base, modules_to_save=["lm_head", "embed_in"])
    driver, oracle, rng = StepDriver(base, tmp_path), Oracle(base, folders), random.Random(4)
    for name, folder in folders.items():
        driver.add(name, folder)
    asked: list[str | None] = [*folders, None, *folders]
    sequences = [driver.sequence(f"{i}", model, prompt(rng, model), 8) for i, model in enumerate(asked)]

    assert_golden(driver, oracle, asked, sequences)
