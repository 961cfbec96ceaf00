"""The peers on the same machine: transformers and PEFT with the same base, adapters and requests."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from benchmarks.lab.clients import Answer, Measurement
from benchmarks.lab.profiles import Profile
from benchmarks.lab.traffic import Request
from serving.types import End, Outcome, Usage


def unavailable() -> str | None:
    """Why the peers cannot run here; None if they can."""
    try:
        import peft  # noqa: F401
    except ImportError:
        return "PEFT is not installed, so the peers are left out. Install it with: pip install 'openlora-node[test]'"
    return None


class HfGenerate:
    """The base alone: transformers' `generate` over one batch of all requests."""

    def __init__(self, base: Path, profile: Profile) -> None:
        self._model = load(base, profile)

    def answer(self, requests: Sequence[Request]) -> Measurement:
        """Answer all requests, and time it."""
        started = time.perf_counter()
        answered = generated(self._model, requests, started)
        return Measurement(answered, time.perf_counter() - started)


class PeftMixed:
    """PEFT with all adapters loaded, and one batch that names each row's adapter (`adapter_names`)."""

    def __init__(self, base: Path, profile: Profile, adapters: dict[str, Path]) -> None:
        self._model = with_adapters(load(base, profile), adapters)

    def answer(self, requests: Sequence[Request]) -> Measurement:
        """Answer all requests, and time it."""
        started = time.perf_counter()
        answered = generated(self._model, requests, started, adapter_names=[request.model for request in requests])
        return Measurement(answered, time.perf_counter() - started)


class PeftSetAdapter:
    """PEFT with all adapters loaded and one active at a time, so requests run one after the other."""

    def __init__(self, base: Path, profile: Profile, adapters: dict[str, Path]) -> None:
        self._model = with_adapters(load(base, profile), adapters)

    def answer(self, requests: Sequence[Request]) -> Measurement:
        """Answer all requests, and time it."""
        started = time.perf_counter()
        answered: list[Answer] = []
        for request in requests:
            due_s = time.perf_counter()
            self._model.set_adapter(request.model)
            answered += generated(self._model, [request], due_s)
        return Measurement(tuple(answered), time.perf_counter() - started)


class PeftHotswap:
    """PEFT with one adapter in memory, whose weights are replaced from disk by those of the next request."""

    def __init__(self, base: Path, profile: Profile, adapters: dict[str, Path]) -> None:
        self._adapters = adapters
        first = next(iter(adapters))
        self._model = with_adapters(load(base, profile), {first: adapters[first]})
        self._name = first

    def answer(self, requests: Sequence[Request]) -> Measurement:
        """Answer all requests, and time it."""
        from peft.utils.hotswap import hotswap_adapter

        started = time.perf_counter()
        answered: list[Answer] = []
        for request in requests:
            due_s = time.perf_counter()
            hotswap_adapter(self._model, str(self._adapters[request.model]), adapter_name=self._name)
            answered += generated(self._model, [request], due_s)
        return Measurement(tuple(answered), time.perf_counter() - started)


def load(base: Path, profile: Profile) -> PreTrainedModel:
    """The base as transformers loads it, set to answer with exactly the requested number of tokens."""
    dtype = torch.bfloat16 if profile.dtype == "bf16" else torch.float32
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, local_files_only=True)
    model.generation_config.eos_token_id = None  # end-of-text does not end the answer
    model.generation_config.pad_token_id = 0
    model = model.to(profile.device).eval()
    assert isinstance(model, PreTrainedModel)
    return model


def with_adapters(model: PreTrainedModel, adapters: dict[str, Path]) -> Any:
    """A PeftModel over `model` with all `adapters` (folders by name) loaded, the first of them active."""
    from peft import PeftModel

    first, *others = adapters
    adapted = PeftModel.from_pretrained(model, str(adapters[first]), adapter_name=first, autocast_adapter_dtype=False)
    for name in others:
        adapted.load_adapter(str(adapters[name]), adapter_name=name, autocast_adapter_dtype=False)
    return adapted.eval()


def generated(model: Any, requests: Sequence[Request], due_s: float, **options: object) -> tuple[Answer, ...]:
    """Greedy answers to one batch of prompts of equal length. All tokens of a step have that step's time."""
    prompts = torch.tensor([request.prompt_ids for request in requests], device=model.device)
    step_s: list[float] = []

    def note(ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        step_s.append(time.perf_counter())
        return torch.zeros(ids.shape[0], dtype=torch.bool, device=ids.device)

    with torch.inference_mode():
        output = model.generate(
            input_ids=prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=requests[0].new_tokens,
            do_sample=False,
            stopping_criteria=[note],
            **options,
        )
    new_tokens = output[:, prompts.shape[1] :].tolist()
    return tuple(
        Answer(request, due_s, tuple(tokens), tuple(step_s), _end(request, len(tokens)))
        for request, tokens in zip(requests, new_tokens, strict=True)
    )


def _end(request: Request, tokens: int) -> End:
    return End(Outcome.FINISHED, "length", Usage(len(request.prompt_ids), 0, tokens))
