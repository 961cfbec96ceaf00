"""Several outputs of one prompt. Each is a sequence of its own, and the others begin with the first one's pages."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from math import inf

from serving.engine.sequence import Sequence
from serving.errors import InvalidRequest
from serving.kv.prefix import PageKeys
from serving.prompts.detokenize import OutputText, StopStrings
from serving.prompts.vocabulary import Vocabulary
from serving.types import BaseDigest, End, FinishReason, GenerationRequest, Outcome, Usage

MAX_CHOICES = 16
MAX_OUTPUT_TOKENS = 1 << 16


def check_choices(choices: int, max_new_tokens: int) -> None:
    """Raises InvalidRequest if one request asks for more than it may."""
    if not 1 <= choices <= MAX_CHOICES:
        raise InvalidRequest("n", f"must be between 1 and {MAX_CHOICES}")
    if choices > 1 and choices * max_new_tokens > MAX_OUTPUT_TOKENS:
        raise InvalidRequest(
            "n",
            f"{choices} choices of up to {max_new_tokens} tokens each are more than {MAX_OUTPUT_TOKENS} in all: lower "
            "n, or give a lower max_tokens",
        )


def sequences_of(
    request: GenerationRequest,
    vocabulary: Vocabulary,
    base: BaseDigest,
    *,
    arrived_at: float,
    adapter_bytes: int,
    start_by: float,
    end_by: float,
) -> list[Sequence]:
    """One sequence per choice. Choice i draws with seed + i, as a request of its own with that seed would.

    start_by bounds how long the request waits, so it is about the first choice alone.
    """
    prepared, sampling = request.prepared, request.sampling
    seed = secrets.randbits(64) if sampling.seed is None else sampling.seed
    return [
        Sequence(
            request,
            seed=seed + choice,
            text=OutputText(vocabulary.incremental_text(), StopStrings(sampling.stop), sampling.min_tokens),
            arrived_at=arrived_at,
            adapter_bytes=adapter_bytes,
            page_keys=PageKeys(base, prepared.adapter, _reader(request), prepared.active_from),
            choice=choice,
            matcher=prepared.grammar.matcher() if prepared.grammar else None,
            start_by=inf if choice else start_by,
            end_by=end_by,
        )
        for choice in range(prepared.choices)
    ]


def _reader(request: GenerationRequest) -> str:
    """Who may reuse what is computed for the prompt. Tenants hold no line break, so no two are spelled alike."""
    return f"{request.tenant}\n{request.cache_salt}" if request.cache_salt else request.tenant


def end_of(ends: Mapping[int, End]) -> End:
    """The end of a request whose choices ended so: the prompt counts once, as the first choice met it.

    It failed if any choice did, with that one's error; else it was aborted if any was.
    """
    usage = Usage(
        prompt_tokens=ends[0].usage.prompt_tokens,
        cached_tokens=ends[0].usage.cached_tokens,
        output_tokens=sum(end.usage.output_tokens for end in ends.values()),
    )
    for outcome in (Outcome.FAILED, Outcome.ABORTED):
        found = next((end for end in ends.values() if end.outcome is outcome), None)
        if found is not None:
            return replace(found, usage=usage, queued_s=ends[0].queued_s)
    reasons = {end.finish_reason for end in ends.values()}
    reason: FinishReason = "length" if "length" in reasons else "stop"
    return End(Outcome.FINISHED, reason, usage, queued_s=ends[0].queued_s)
