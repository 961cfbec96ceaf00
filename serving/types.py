"""The values that cross the border of `serving`: what may be asked, and what comes back."""

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Literal, NewType, Protocol

from serving.errors import ServingError

if TYPE_CHECKING:  # these are values only: importing this module must not load torch
    import torch

AdapterDigest = NewType("AdapterDigest", str)
"""sha256 over an adapter version's sorted (file name, sha256) pairs: 64 hex digits."""
BaseDigest = NewType("BaseDigest", str)
"""sha256 over a base model's sorted (file name, sha256) pairs of weights, config and tokenizer: 64 hex digits."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """Messages to be rendered through the model's chat template."""

    messages: tuple[ChatMessage, ...]


@dataclass(frozen=True, slots=True)
class TextPrompt:
    text: str


@dataclass(frozen=True, slots=True)
class TokenPrompt:
    token_ids: tuple[int, ...]


Prompt = ChatPrompt | TextPrompt | TokenPrompt


class Matcher(Protocol):
    """Follows one output through a grammar. error: why it cannot be followed any further; None while it can."""

    error: str | None

    def allowed(self) -> "torch.Tensor":
        """Which tokens may come next: bool [vocabulary]; none of them after an error."""

    def advance(self, token: int) -> bool:
        """Takes the drawn token. True if the output is complete and nothing can follow it."""


class Grammar(Protocol):
    """What an output must follow: the start of any number of matchers."""

    def matcher(self) -> Matcher:
        """A matcher for one output, at its first token."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request whose model is known to exist and whose prompt is tokenised; money is computed from it.

    adapter is None for the base alone. prompt_ids is never empty; len(prompt_ids) + max_new_tokens fits the context.
    choices: so many outputs, each of up to max_new_tokens. grammar: what each must follow; None is free text.
    active_from: the first token of the prompt that the adapter acts on; before it the base reads alone. parts: of a
    composition, which has a digest of its own, the adapters and their weights; else empty.
    """

    model: str
    adapter: AdapterDigest | None
    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    choices: int = field(default=1, kw_only=True)
    grammar: Grammar | None = field(default=None, kw_only=True, compare=False)
    active_from: int = field(default=0, kw_only=True)
    parts: tuple[tuple[AdapterDigest, float], ...] = field(default=(), kw_only=True)

    @property
    def most_output_tokens(self) -> int:
        """All choices together."""
        return self.choices * self.max_new_tokens


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How one request draws its tokens and when it stops; every default changes nothing.

    temperature 0 is greedy; top_k 0, top_p 1 and min_p 0 do not filter. The presence and frequency penalties count the
    output, the repetition penalty prompt and output. logit_bias: (token id, what is added to its logit).
    min_tokens: so many come before anything may stop the output. stop_token_ids end it as the end token does.
    logprobs: how many likeliest tokens to report beside each drawn one; None reports nothing.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    min_tokens: int = 0
    stop_token_ids: tuple[int, ...] = ()
    logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One admitted request.

    tenant is an opaque key: tenants share the engine fairly, and what was computed for a prompt is reused only for the
    tenant that sent it. granted_tokens is how many output tokens of each choice are paid for so far: a sequence that
    reaches them is parked until `Service.extend` grants more. deadline_s: how long after its acceptance it must have
    ended; if nothing of it was computed by then it fails, else it is aborted with what it has. cache_salt: what was
    computed for a prompt is reused only under the same one.
    """

    request_id: str
    prepared: Prepared
    sampling: SamplingParams
    tenant: str
    granted_tokens: int
    deadline_s: float | None = None
    cache_salt: str = ""


class Outcome(Enum):
    """How a request ended; exactly one of these, always."""

    FINISHED = "finished"
    ABORTED = "aborted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request: prompt tokens computed, prompt tokens reused from the prefix cache, output tokens.

    cached_tokens are no part of prompt_tokens; their sum is the prompt.
    """

    prompt_tokens: int
    cached_tokens: int
    output_tokens: int


FinishReason = Literal["stop", "length", "abort", "error"]


@dataclass(frozen=True, slots=True)
class End:
    """The last word on a request. `error` is set iff the outcome is FAILED; it is safe to show to a client.

    cause: what was raised, where it is something that the client can do something about. queued_s: from its acceptance
    to its first step; None if it never ran.
    """

    outcome: Outcome
    finish_reason: FinishReason
    usage: Usage
    error: str | None = None
    cause: ServingError | None = None
    queued_s: float | None = None


@dataclass(frozen=True, slots=True)
class TokenText:
    """What a token stands for. `visible` is False for control tokens, which no output shows."""

    content: bytes
    visible: bool


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """How likely the model found one output token, and the likeliest tokens in its place, as (id, logprob).

    Natural logarithms of softmax(logits): before bias, penalties, temperature and filters.
    """

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """Output of one engine step for one choice of a request. The request's last event, and only it, carries `end`.

    text may be empty while bytes of a character or a possible stop string are held back; the concatenation of all texts
    is the choice's output. `parked` tells that the granted tokens are used up and `extend` is awaited. logprobs: one
    for each of token_ids if they were asked for, else empty. finish_reason: set on each choice's last event.
    """

    request_id: str
    token_ids: tuple[int, ...]
    text: str
    parked: bool = False
    end: End | None = None
    logprobs: tuple[TokenLogprobs, ...] = ()
    choice: int = 0
    finish_reason: FinishReason | None = None


class Residency(Enum):
    """Where an adapter version's weights are: the fastest tier that holds them."""

    DEVICE = "device"
    HOST = "host"
    DISK = "disk"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One servable name. The base has adapter None; `name@digest` and `base:name` address the same adapter.

    hits: how many requests asked for it since the start.
    """

    name: str
    adapter: AdapterDigest | None
    source: str
    rank: int
    adapter_bytes: int
    residency: Residency
    pinned: bool
    in_flight: int
    last_used_at: float | None
    hits: int = 0


@dataclass(frozen=True, slots=True)
class Activity:
    """What goes on with adapters now; nothing of it grows with those that lie idle on disk, but for their number.

    resident: the cards of all names whose adapter is in memory. running, waiting: models with requests that have
    begun, and with requests that have not.
    """

    registered: int
    resident: tuple[ModelCard, ...]
    running: frozenset[str]
    waiting: frozenset[str]


@dataclass(frozen=True, slots=True)
class EngineStats:
    """A snapshot for metrics and `ps`. Times in seconds, memory in bytes; counters grow since the start.

    kv_used_bytes is what sequences hold; kv_kept_bytes beyond it is given up when they need it. prompt_tokens were
    computed, each once; of the prompt_tokens_asked of all sequences that ran, prompt_tokens_reused came from the prefix
    cache. recomputed_tokens, of prompts and outputs, had been computed before a preemption. load_stages: of each stage
    of loading an adapter its name, how often it was passed, and seconds in all; load_seconds is their sum but for the
    wait for a thread. The adapter_host fields are of the host tier, all 0 where there is none.
    """

    running: int
    waiting: int
    loading: int
    parked: int
    kv_used_bytes: int
    kv_kept_bytes: int
    kv_budget_bytes: int
    adapter_used_bytes: int
    adapter_budget_bytes: int
    adapters_resident: int
    steps: int
    prompt_tokens: int
    prompt_tokens_asked: int
    prompt_tokens_reused: int
    output_tokens: int
    loads: int
    load_seconds: float
    evictions: int
    recomputed_tokens: int = 0
    preemptions: int = 0
    load_stages: tuple[tuple[str, int, float], ...] = ()
    adapter_host_used_bytes: int = 0
    adapter_host_budget_bytes: int = 0
    adapter_host_hits: int = 0
    adapter_host_evictions: int = 0
