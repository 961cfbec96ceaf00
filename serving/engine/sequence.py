"""One choice of a request on its way through the engine: its tokens, its pages and its stage."""

from dataclasses import dataclass, field
from enum import Enum
from math import inf

from serving.kv.pages import PAGE_TOKENS, PageKey
from serving.kv.prefix import PageKeys
from serving.prompts.detokenize import OutputText
from serving.types import AdapterDigest, GenerationRequest, Matcher, SamplingParams, Usage

SequenceId = tuple[str, int]
"""A request's id and the index of one of its choices."""


class Stage(Enum):
    """Where a sequence is. The order of a life is the order below; READY, RUNNING and PARKED alternate."""

    LOADING = "waits for its adapter"
    READY = "waits for a row and pages"
    RUNNING = "gets tokens in every step"
    PARKED = "waits for more granted tokens"
    ENDED = "has sent its End"


@dataclass(slots=True, eq=False)
class Sequence:
    """One choice of a request and its state. Owned by the engine thread.

        finite_len <= computed_len <= reached_len <= total_len          cached_len <= reached_len
        |-- in the KV cache ------|-- to compute next ----------------|
                                  |-- lost, to compute again -|

    token_ids: the prompt, then the output. granted_tokens: how many output tokens may exist until `extend`.
    published_pages: the number of leading pages of the table that the prefix cache has, or has from another sequence.
    finite_len: length of the prefix whose KV is known to be finite, because a token was sampled after it. reached_len:
    the largest computed_len so far; it exceeds computed_len after the pages were lost. cached_len: how many tokens the
    prefix cache had when the sequence ran first. seniority: how many sequences ran first before this one; None until
    it runs. matcher: follows the grammar of the output; None for free text.

    arrived_at, began_at, start_by, end_by: seconds on one clock. The sequence must have begun by start_by and ended by
    end_by. began_at: when its first step began; None until then.
    """

    request: GenerationRequest
    seed: int
    text: OutputText
    arrived_at: float
    page_keys: PageKeys = field(kw_only=True)
    choice: int = field(default=0, kw_only=True)
    matcher: Matcher | None = field(default=None, kw_only=True)
    began_at: float | None = field(default=None, init=False)
    start_by: float = inf
    end_by: float = inf
    stage: Stage = Stage.READY
    page_table: list[int] = field(default_factory=list)
    seniority: int | None = None
    cached_len: int = 0
    finite_len: int = 0
    computed_len: int = 0
    reached_len: int = 0
    published_pages: int = 0
    token_ids: list[int] = field(init=False)
    prompt_len: int = field(init=False)
    granted_tokens: int = field(init=False)

    def __post_init__(self) -> None:
        self.token_ids = list(self.request.prepared.prompt_ids)
        self.prompt_len = len(self.token_ids)
        self.granted_tokens = min(self.request.granted_tokens, self.request.prepared.max_new_tokens)

    @property
    def request_id(self) -> str:
        """The id of the request, which all its choices share."""
        return self.request.request_id

    @property
    def id(self) -> SequenceId:
        """What no other sequence in flight has."""
        return self.request.request_id, self.choice

    @property
    def sampling(self) -> SamplingParams:
        """How it samples and stops."""
        return self.request.prepared.sampling

    @property
    def adapter(self) -> AdapterDigest | None:
        """The adapter that serves it; None is the base alone."""
        return self.request.prepared.model.adapter

    @property
    def adapter_bytes(self) -> int:
        """The most device memory that its adapter takes."""
        return self.request.prepared.model.adapter_bytes

    @property
    def active_from(self) -> int:
        """The index of the first token that its adapter acts on."""
        return self.request.prepared.active_from

    @property
    def max_new_tokens(self) -> int:
        """The most output tokens that it may produce."""
        return self.request.prepared.max_new_tokens

    @property
    def total_len(self) -> int:
        """Tokens of the prompt and of the output so far."""
        return len(self.token_ids)

    @property
    def output_len(self) -> int:
        """Tokens of the output so far."""
        return len(self.token_ids) - self.prompt_len

    @property
    def longest_len(self) -> int:
        """The most tokens whose keys and values it may hold; the last output token is never computed."""
        return self.prompt_len + self.max_new_tokens - 1

    @property
    def left_len(self) -> int:
        """Tokens to compute before the next one can be sampled."""
        return len(self.token_ids) - self.computed_len

    @property
    def reusable_keys(self) -> list[PageKey]:
        """Keys of the pages that the prefix cache may supply: the last token's logits are always computed."""
        return self.page_keys.of(self.token_ids, self.total_len - 1)

    @property
    def finite_keys(self) -> list[PageKey]:
        """Keys of the full pages whose KV is known to be finite."""
        return self.page_keys.of(self.token_ids, self.finite_len)

    @property
    def has_begun(self) -> bool:
        """Whether it has ever run."""
        return self.seniority is not None

    @property
    def queued_s(self) -> float | None:
        """Seconds from its arrival to its first step; None if it never ran."""
        return None if self.began_at is None else self.began_at - self.arrived_at

    @property
    def why_no_token(self) -> str:
        """The error of a sequence for which no token could be sampled."""
        if self.matcher is not None and self.matcher.error is not None:
            return self.matcher.error
        return "The model computed numbers that are not finite."

    @property
    def usage(self) -> Usage:
        """Counts each prompt token once, as computed or cached when it was first reached, despite later preemptions."""
        computed_prompt = min(self.reached_len, self.prompt_len) - self.cached_len
        return Usage(prompt_tokens=computed_prompt, cached_tokens=self.cached_len, output_tokens=self.output_len)

    def begin_with(self, pages: int) -> None:
        """Begins with a page table whose first `pages` pages hold its tokens already."""
        self.published_pages = pages
        self.finite_len = self.computed_len = pages * PAGE_TOKENS
        self.reached_len = max(self.reached_len, self.computed_len)

    def advance(self, end: int) -> tuple[int, int]:
        """Marks tokens up to `end` as computed. Returns the numbers of new prompt tokens and of repeated tokens."""
        first = max(0, min(end, self.prompt_len) - max(self.computed_len, self.reached_len))
        again = max(0, min(end, self.reached_len) - self.computed_len)
        self.computed_len = end
        self.reached_len = max(self.reached_len, end)
        return first, again

    def append(self, token: int) -> None:
        """Adds a token that was sampled from logits computed from all earlier ones."""
        self.finite_len = self.computed_len
        self.token_ids.append(token)

    def lose_pages(self) -> None:
        """Forgets everything computed, after its pages were given back. It keeps its tokens."""
        assert not self.page_table
        self.finite_len = self.computed_len = self.published_pages = 0

    def check_integrity(self) -> None:
        """The lengths keep their order, and the output stays within the granted and the requested tokens."""
        assert 0 <= self.finite_len <= self.computed_len <= self.reached_len <= self.total_len
        assert self.cached_len <= min(self.reached_len, self.prompt_len - 1)
        assert self.page_table or self.computed_len == 0
        assert self.output_len <= self.granted_tokens <= self.max_new_tokens
