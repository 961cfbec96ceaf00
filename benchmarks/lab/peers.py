"""The peers of this machine: what transformers and PEFT do with the same base, adapters and requests."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from benchmarks.lab.load import Answer, Load
from benchmarks.lab.profiles import Profile
from benchmarks.lab.traffic import Ask
from serving.types import End, Outcome, Usage


def unavailable() -> str | None:
    """Why the peers cannot run here, None if they can."""
    try:
        import peft  # noqa: F401
    except ImportError:
        return "PEFT is not installed; the peers are left out. Install it with: pip install 'openlora-node[test]'"
    return None


class HfGenerate:
    """The base alone: transformers' generate over one batch of all requests."""

    def __init__(self, base: Path, profile: Profile) -> None:
        self._model = load(base, profile)

    def answer(self, asks: Sequence[Ask]) -> Load:
        started = time.perf_counter()
        answered = generated(self._model, asks, started)
        return Load(answered, time.perf_counter() - started)


class PeftMixed:
    """All adapters loaded, and one batch that names each row's (`adapter_names`)."""

    def __init__(self, base: Path, profile: Profile, adapters: dict[str, Path]) -> None:
        self._model = with_adapters(load(base, profile), adapters)

    def answer(self, asks: Sequence[Ask]) -> Load:
        started = time.perf_counter()
        answered = generated(self._model, asks, started, adapter_names=[ask.model for ask in asks])
        return Load(answered, time.perf_counter() - started)


class PeftSetAdapter:
    """All adapters loaded and one active at a time, so that requests pass one by one, as behind a lock."""

    def __init__(self, base: Path, profile: Profile, adapters: dict[str, Path]) -> None:
        self._model = with_adapters(load(base, profile), adapters)

    def answer(self, asks: Sequence[Ask]) -> Load:
        started = time.perf_counter()
        answered: list[Answer] = []
        for ask in asks:
            due_s = time.perf_counter()
            self._model.set_adapter(ask.model)
            answered += generated(self._model, [ask], due_s)
        return Load(tuple(answered), time.perf_counter() - started)


class PeftHotswap:
    """One adapter in memory, whose weights are replaced by those of the next request's from the disk."""

    def __init__(self, base: Path, profile: Profile, adapters: dict[str, Path]) -> None:
        self._adapters = adapters
        first = next(iter(adapters))
        self._model = with_adapters(load(base, profile), {first: adapters[first]})
        self._name = first

    def answer(self, asks: Sequence[Ask]) -> Load:
        from peft.utils.hotswap import hotswap_adapter

        started = time.perf_counter()
        answered: list[Answer] = []
        for ask in asks:
            due_s = time.perf_counter()
            hotswap_adapter(self._model, str(self._adapters[ask.model]), adapter_name=self._name)
            answered += generated(self._model, [ask], due_s)
        return Load(tuple(answered), time.perf_counter() - started)


def load(base: Path, profile: Profile) -> PreTrainedModel:
    dtype = torch.bfloat16 if profile.dtype == "bf16" else torch.float32
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, local_files_only=True)
    model.generation_config.eos_token_id = None  # every answer has the asked length
    model.generation_config.pad_token_id = 0
    model = model.to(profile.device).eval()
    assert isinstance(model, PreTrainedModel)
    return model


def with_adapters(model: PreTrainedModel, adapters: dict[str, Path]) -> Any:
    from peft import PeftModel

    first, *others = adapters
    adapted = PeftModel.from_pretrained(model, str(adapters[first]), adapter_name=first, autocast_adapter_dtype=False)
    for name in others:
        adapted.load_adapter(str(adapters[name]), adapter_name=name, autocast_adapter_dtype=False)
    return adapted.eval()


def generated(model: Any, asks: Sequence[Ask], due_s: float, **options: object) -> tuple[Answer, ...]:
    """One batch of prompts of equal length, greedily; every step's time is that of all its tokens."""
    prompts = torch.tensor([ask.prompt_ids for ask in asks], device=model.device)
    step_s: list[float] = []

    def note(ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        step_s.append(time.perf_counter())
        return torch.zeros(ids.shape[0], dtype=torch.bool, device=ids.device)

    with torch.inference_mode():
        output = model.generate(
            input_ids=prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=asks[0].new_tokens,
            do_sample=False,
            stopping_criteria=[note],
            **options,
        )
    new_tokens = output[:, prompts.shape[1] :].tolist()
    return tuple(
        Answer(ask, due_s, tuple(tokens), tuple(step_s), _end(ask, len(tokens)))
        for ask, tokens in zip(asks, new_tokens, strict=True)
    )


def _end(ask: Ask, tokens: int) -> End:
    return End(Outcome.FINISHED, "length", Usage(len(ask.prompt_ids), 0, tokens))
