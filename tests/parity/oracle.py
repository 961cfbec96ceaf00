"""PEFT's own answer to what an engine has computed, and how far the two may differ."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from serving.engine.sequence import Sequence
from serving.models.fallback import HuggingFaceForward
from serving.models.fused import FusedDecoder
from serving.native.decoder import NativeDecoder
from tests.serving.driver import StepDriver

LOGIT_TOLERANCE, TIE_GAP = 1e-4, 2e-4


def driver_of(base: Path, work: Path, forward: str) -> StepDriver:
    """An engine on `base` whose model computes with the compiled kernels (""), in torch, or as Hugging Face does."""
    with pytest.MonkeyPatch.context() as patch:
        if forward == "fallback":
            patch.setattr("serving.base.prepare.is_understood", lambda model: False)
        if forward == "torch":
            patch.setattr("serving.base.loader.kernels_for", lambda *args: None)
        driver = StepDriver(base, work)
    expected = {"": NativeDecoder, "torch": FusedDecoder, "fallback": HuggingFaceForward}[forward]
    assert driver.base.forward_name == expected.__name__
    return driver


class Oracle:
    """Hugging Face's model in float32 and, for each adapter, one with that adapter loaded by PEFT.

    One each, because PEFT loads biases and saved copies of the embedding over the base that its adapters share.
    """

    def __init__(self, base: Path, adapters: dict[str, Path]) -> None:
        self._base_folder = base
        self._base = self._load()
        self._models = {
            name: PeftModel.from_pretrained(self._load(), folder).eval() for name, folder in adapters.items()
        }

    def compose(self, name: str, adapters: dict[str, Path], weights: dict[str, float]) -> None:
        """`name` means the sum of the adapters with these weights, as PEFT adds them up."""
        model: PeftModel | None = None
        for part, folder in adapters.items():
            if model is None:
                model = PeftModel.from_pretrained(self._load(), folder, adapter_name=part)
            else:
                model.load_adapter(folder, adapter_name=part)
        assert model is not None
        model.add_weighted_adapter(list(weights), list(weights.values()), "sum", combination_type="cat")
        model.set_adapter("sum")
        self._models[name] = model.eval()

    def logits(self, adapter: str | None, sequence: Sequence) -> torch.Tensor:
        """PEFT's logits for each output token, given our own tokens before it: [output tokens, vocab]."""
        inputs = torch.tensor([sequence.token_ids])
        active = (
            len(sequence.token_ids) - sequence.active_from
        )  # PEFT counts from the end, and searches the prompt only
        with torch.inference_mode():
            if adapter is None:
                logits = self._base(input_ids=inputs).logits[0]
            elif sequence.active_from:
                logits = self._models[adapter](input_ids=inputs, alora_offsets=[active]).logits[0]
            else:
                logits = self._models[adapter](input_ids=inputs).logits[0]
        return logits[sequence.prompt_len - 1 : -1]

    def _load(self):  # type: ignore[no-untyped-def]
        return AutoModelForCausalLM.from_pretrained(self._base_folder, dtype=torch.float32).eval()


def greedy_differences(expected: torch.Tensor, tokens: list[int]) -> int:
    """How many tokens differ from PEFT's choice; each of these must be a tie in PEFT's own eyes."""
    top = expected.topk(2, dim=-1)
    differing = [i for i, token in enumerate(tokens) if token != top.indices[i, 0].item()]
    for i in differing:
        assert (top.values[i, 0] - top.values[i, 1]).item() < TIE_GAP
    return len(differing)


def assert_golden(driver: StepDriver, oracle: Oracle, asked: list[str | None], sequences: list[Sequence]) -> None:
    """Runs all at once: every output token has the logits that PEFT computes for its adapter."""
    outputs = driver.run(sequences)

    ties = tokens = 0
    for sequence, adapter in zip(sequences, asked, strict=True):
        expected = oracle.logits(adapter, sequence)
        got = torch.stack(driver.logits[sequence.request_id])
        worst = (got - expected).abs().max().item()
        assert worst <= LOGIT_TOLERANCE, f"{adapter}: {worst:.1e}"
        ties += greedy_differences(expected, outputs[sequence.request_id])
        tokens += sequence.output_len
    assert ties <= 0.005 * tokens
