"""One request on its way through the engine: its tokens, pages and place in life."""

from dataclasses import dataclass, field
from enum import Enum

from serving.detokenize import OutputText
from serving.grammar import Matcher
from serving.kv.pages import PageKey
from serving.kv.prefix import PageKeys
from serving.types import AdapterDigest, GenerationRequest, Usage


class Stage(Enum):
    """Where a sequence is. It moves down this list; only RUNNING and PARKED alternate."""

    LOADING = "waits for its adapter"
    READY = "waits for pages"
    RUNNING = "gets tokens in every step"
    PARKED = "waits for more granted tokens"
    ENDED = "has sent its End"


@dataclass(slots=True, eq=False)
class Sequence:
    """A request and its state. Owned by the engine thread.

        cached_len <= computed_len <= total_len
        |-- reused --|-- in the KV cache --|-- to compute next --|

    token_ids: prompt then output. granted_tokens: how many output tokens may exist until `extend`. published_pages: the
    first pages of the table, which others can find, or were offered to others and are found elsewhere. matcher: what
    the output must follow, None for free text. began_at: when its first step began, on the clock of arrived_at.
    """

    request: GenerationRequest
    seed: int
    text: OutputText
    arrived_at: float
    adapter_bytes: int = 0
    page_keys: PageKeys = field(kw_only=True)
    matcher: Matcher | None = field(default=None, kw_only=True)
    began_at: float | None = field(default=None, init=False)
    stage: Stage = Stage.READY
    page_table: list[int] = field(default_factory=list)
    cached_len: int = 0
    computed_len: int = 0
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
    def adapter(self) -> AdapterDigest | None:
        return self.request.prepared.adapter

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
    def reusable_keys(self) -> list[PageKey]:
        """Keys of the prompt's pages that may be another request's: the last token's logits are always computed."""
        return self.page_keys.of(self.token_ids, self.prompt_len - 1)

    @property
    def computed_keys(self) -> list[PageKey]:
        """Keys of the pages that are full."""
        return self.page_keys.of(self.token_ids, self.computed_len)

    @property
    def is_decoding(self) -> bool:
        return self.output_len > 0

    @property
    def queued_s(self) -> float | None:
        """From its arrival to its first step; None if it never ran."""
        return None if self.began_at is None else self.began_at - self.arrived_at

    @property
    def usage(self) -> Usage:
        computed_prompt = min(self.computed_len, self.prompt_len) - self.cached_len
        return Usage(prompt_tokens=computed_prompt, cached_tokens=self.cached_len, output_tokens=self.output_len)

    def check_integrity(self) -> None:
        """Lengths keep their order, and the output stays within what was granted and asked."""
        assert 0 <= self.cached_len <= self.computed_len <= self.total_len
        assert self.cached_len < self.prompt_len
        assert self.output_len <= self.granted_tokens <= self.max_new_tokens
