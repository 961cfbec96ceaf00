"""One request on its way through the engine: its tokens, pages and place in life."""

from dataclasses import dataclass, field
from enum import Enum
from math import inf

from serving.kv.pages import PAGE_TOKENS, PageKey
from serving.kv.prefix import PageKeys
from serving.prompts.detokenize import OutputText
from serving.types import AdapterDigest, GenerationRequest, Matcher, Usage


SequenceId = tuple[str, int]
"""A request's id and the number of one of its choices."""


class Stage(Enum):
    """Where a sequence is. It moves down this list; READY, RUNNING and PARKED alternate."""

    LOADING = "waits for its adapter"
    READY = "waits for a row and pages"
    RUNNING = "gets tokens in every step"
    PARKED = "waits for more granted tokens"
    ENDED = "has sent its End"


@dataclass(slots=True, eq=False)
class Sequence:
    """A request and its state. Owned by the engine thread.

        finite_len <= computed_len <= reached_len <= total_len          cached_len <= reached_len
        |-- in the KV cache ------|-- to compute next ----------------|
                                  |-- lost, to compute again -|

    token_ids: prompt then output. granted_tokens: how many output tokens may exist until `extend`. published_pages: the
    first pages of the table, which others can find, or were offered to others and are found elsewhere. finite_len: what
    a drawn token has shown to be finite numbers. reached_len: the longest computed_len so far; it is more than
    computed_len after the pages were lost. cached_len: what it found in the cache when it first ran. seniority: its
    place among all that ever ran, from then on. start_by, end_by: on the clock of arrived_at. matcher: what the output
    must follow, None for free text. began_at: when its first step began, on the clock of arrived_at.
    """

    request: GenerationRequest
    seed: int
    text: OutputText
    arrived_at: float
    adapter_bytes: int = 0
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
        return self.request.request_id

    @property
    def id(self) -> SequenceId:
        return self.request.request_id, self.choice

    @property
    def adapter(self) -> AdapterDigest | None:
        return self.request.prepared.adapter

    @property
    def active_from(self) -> int:
        """The first token that its adapter acts on."""
        return self.request.prepared.active_from

    @property
    def max_new_tokens(self) -> int:
        return self.request.prepared.max_new_tokens

    @property
    def total_len(self) -> int:
        return len(self.token_ids)

    @property
    def output_len(self) -> int:
        return len(self.token_ids) - self.prompt_len

    @property
    def longest_len(self) -> int:
        """Tokens whose keys and values it may ever hold; the last output token is never computed."""
        return self.prompt_len + self.max_new_tokens - 1

    @property
    def left_len(self) -> int:
        """Tokens to compute before the next one can be drawn."""
        return len(self.token_ids) - self.computed_len

    @property
    def reusable_keys(self) -> list[PageKey]:
        """Keys of the pages that it may find in the cache: the last token's logits are always computed."""
        return self.page_keys.of(self.token_ids, self.total_len - 1)

    @property
    def finite_keys(self) -> list[PageKey]:
        """Keys of the pages that are full of numbers known to be finite."""
        return self.page_keys.of(self.token_ids, self.finite_len)

    @property
    def has_begun(self) -> bool:
        """Whether any of it was ever computed."""
        return self.seniority is not None

    @property
    def queued_s(self) -> float | None:
        """From its arrival to its first step; None if it never ran."""
        return None if self.began_at is None else self.began_at - self.arrived_at

    @property
    def why_no_token(self) -> str:
        """What to tell where no token could be drawn."""
        if self.matcher is not None and self.matcher.error is not None:
            return self.matcher.error
        return "The model computed numbers that are not finite."

    @property
    def usage(self) -> Usage:
        """Each prompt token once, as computed or cached when it was first reached, whatever was lost since."""
        computed_prompt = min(self.reached_len, self.prompt_len) - self.cached_len
        return Usage(prompt_tokens=computed_prompt, cached_tokens=self.cached_len, output_tokens=self.output_len)

    def begin_with(self, pages: int) -> None:
        """Its table will begin with so many pages that are full of its tokens already."""
        self.published_pages = pages
        self.finite_len = self.computed_len = pages * PAGE_TOKENS
        self.reached_len = max(self.reached_len, self.computed_len)

    def advance(self, end: int) -> tuple[int, int]:
        """Tokens up to `end` are computed now: how many of the prompt for the first time, and how many again."""
        first = max(0, min(end, self.prompt_len) - max(self.computed_len, self.reached_len))
        again = max(0, min(end, self.reached_len) - self.computed_len)
        self.computed_len = end
        self.reached_len = max(self.reached_len, end)
        return first, again

    def append(self, token: int) -> None:
        """A token was drawn from logits that every earlier one has gone into."""
        self.finite_len = self.computed_len
        self.token_ids.append(token)

    def lose_pages(self) -> None:
        """Its pages belong to others now; it keeps its tokens."""
        assert not self.page_table
        self.finite_len = self.computed_len = self.published_pages = 0

    def check_integrity(self) -> None:
        """Lengths keep their order, and the output stays within what was granted and asked."""
        assert 0 <= self.finite_len <= self.computed_len <= self.reached_len <= self.total_len
        assert self.cached_len <= min(self.reached_len, self.prompt_len - 1)
        assert self.page_table or self.computed_len == 0
        assert self.output_len <= self.granted_tokens <= self.max_new_tokens
