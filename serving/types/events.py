"""What a request gives back: the events of its outputs, their usage and their end."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from serving.errors import ServingError


class Outcome(Enum):
    """How a request ended; exactly one of these, always."""

    FINISHED = "finished"
    ABORTED = "aborted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request: prompt tokens computed, prompt tokens reused from the prefix cache, output tokens.

    prompt_tokens excludes cached_tokens; their sum is the length of the prompt.
    """

    prompt_tokens: int
    cached_tokens: int
    output_tokens: int


FinishReason = Literal["stop", "length", "abort", "error"]


@dataclass(frozen=True, slots=True)
class End:
    """How a request, or one of its choices, ended. `error` is set iff the outcome is FAILED; clients may see it.

    cause: the exception, if the client can do something about it. queued_s: seconds from the request's acceptance to
    its first step; None if it never ran.
    """

    outcome: Outcome
    finish_reason: FinishReason
    usage: Usage
    error: str | None = None
    cause: ServingError | None = None
    queued_s: float | None = None


@dataclass(frozen=True, slots=True)
class TokenText:
    """The bytes of a token. `visible` is False for control tokens, which no output shows."""

    content: bytes
    visible: bool


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """The log probability of one output token, and the likeliest tokens at its position as (id, logprob).

    Natural logarithms of softmax(logits), before bias, penalties, temperature and filters.
    """

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """The output of one engine step for one choice of a request. Only the request's last event carries `end`.

    text may be empty while bytes of a character or a possible stop string are held back; the concatenation of all texts
    is the choice's output. parked: the granted tokens are used up, and the choice waits for `extend`. logprobs: one
    entry for each of token_ids if the request asked for them, else empty. finish_reason: set on each choice's last
    event.
    """

    request_id: str
    token_ids: tuple[int, ...]
    text: str
    parked: bool = False
    end: End | None = None
    logprobs: tuple[TokenLogprobs, ...] = ()
    choice: int = 0
    finish_reason: FinishReason | None = None
