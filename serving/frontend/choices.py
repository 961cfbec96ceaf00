"""The choices of a request: several outputs of one prompt.

Each choice is a sequence of its own. The choices after the first begin with the prompt pages that the first computed.
"""

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
    """Raises InvalidRequest if one request asks for more choices, or more tokens in all of them, than it may."""
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
    start_by: float,
    end_by: float,
) -> list[Sequence]:
    """One sequence per choice. Choice i samples with seed + i, so it equals a request of its own with that seed.

    arrived_at, start_by, end_by: seconds on one clock. start_by limits how long the request waits, so only the first
    choice has it: the others wait until the first has sampled a token.
    """
    prepared, sampling = request.prepared, request.prepared.sampling
    seed = secrets.randbits(64) if sampling.seed is None else sampling.seed
    return [
        Sequence(
            request,
            seed=seed + choice,
            text=OutputText(vocabulary.incremental_text(), StopStrings(sampling.stop), sampling.min_tokens),
            arrived_at=arrived_at,
            page_keys=PageKeys(base, prepared.adapter, _cache_owner(request), prepared.active_from),
            choice=choice,
            matcher=prepared.grammar.matcher() if prepared.grammar else None,
            start_by=inf if choice else start_by,
            end_by=end_by,
        )
        for choice in range(prepared.choices)
    ]


def _cache_owner(request: GenerationRequest) -> str:
    """The key under which cached pages of the prompt may be reused. Tenants hold no line break, so keys are unique."""
    return f"{request.tenant}\n{request.cache_salt}" if request.cache_salt else request.tenant


def end_of(ends: Mapping[int, End]) -> End:
    """The end of a request, from the ends of all its choices. The prompt counts once, as the first choice met it.

    The request failed if any choice failed, with that choice's error; else it was aborted if any choice was aborted.
    """
    usage = Usage(
        prompt_tokens=ends[0].usage.prompt_tokens,
        cached_tokens=ends[0].usage.cached_tokens,
        output_tokens=sum(end.usage.output_tokens for end in ends.values()),
    )
    for outcome in (Outcome.FAILED, Outcome.ABORTED):
        decisive = next((end for end in ends.values() if end.outcome is outcome), None)
        if decisive is not None:
            return replace(decisive, usage=usage, queued_s=ends[0].queued_s)
    reasons = {end.finish_reason for end in ends.values()}
    reason: FinishReason = "length" if "length" in reasons else "stop"
    return End(Outcome.FINISHED, reason, usage, queued_s=ends[0].queued_s)
