"""What a request asks for, from the prompt a client sends to the request the engine runs."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from serving.types.digests import AdapterDigest

if TYPE_CHECKING:  # these are values only: importing this module must not load torch
    import torch


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """Messages to be rendered through the model's chat template."""

    messages: tuple[ChatMessage, ...]


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """A text that is tokenised as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class TokenPrompt:
    """Token ids that are used as they are."""

    token_ids: tuple[int, ...]


Prompt = ChatPrompt | TextPrompt | TokenPrompt
"""The three forms of a prompt."""


class Matcher(Protocol):
    """Follows one output through a grammar. error: why the output cannot go on; None while it can."""

    error: str | None

    def allowed(self) -> "torch.Tensor":
        """The tokens that may come next, as bool [vocabulary]; after an error none may."""

    def advance(self, token: int) -> bool:
        """Takes the sampled token. Returns True if the output is complete and nothing can follow it."""


class Grammar(Protocol):
    """The language that an output must belong to; it can start any number of matchers."""

    def matcher(self) -> Matcher:
        """Returns a matcher for one output, at its first token."""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How a request samples its tokens and when it stops; every default changes nothing.

    temperature 0 is greedy; top_k 0, top_p 1 and min_p 0 do not filter. The presence and frequency penalties count the
    output, the repetition penalty counts prompt and output. logit_bias: pairs (token id, amount added to its logit).
    min_tokens: nothing stops the output before it has this many tokens. stop_token_ids end the output as the end token
    does. logprobs: how many of the likeliest tokens to report next to each sampled one; None reports nothing.
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
class AdapterPart:
    """One adapter version that a model name means: its served name, its digest, and its weight in a composition."""

    name: str
    digest: AdapterDigest
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """What a model name means at one moment. A request resolves its name once and carries this value from then on.

    name: as the client spelled it. adapter: the digest of the adapter or of the composition; None is the base alone.
    adapter_bytes: the most device memory that the adapter takes. invocation: the token ids that switch on an activated
    LoRA; empty for every other model. parts: the adapter versions; empty for the base.
    """

    name: str
    adapter: AdapterDigest | None = None
    adapter_bytes: int = 0
    invocation: tuple[int, ...] = ()
    parts: tuple[AdapterPart, ...] = ()

    @property
    def is_composition(self) -> bool:
        """Whether this is a weighted sum of adapters, which has a digest of its own and no files."""
        return bool(self.parts) and self.adapter not in {part.digest for part in self.parts}


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that is decided about a request before it runs, made by `Service.prepare` and taken by `generate`.

    The model is resolved, the prompt is tokenised, and the sampling is checked. prompt_ids is never empty, and
    len(prompt_ids) + max_new_tokens fits the context. choices: the number of outputs, each of up to max_new_tokens.
    grammar: what each output must follow; None is free text. active_from: the index of the first prompt token that the
    adapter acts on; the base alone computes those before it.
    """

    model: ResolvedModel
    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    sampling: SamplingParams = field(default=SamplingParams(), kw_only=True)
    choices: int = field(default=1, kw_only=True)
    grammar: Grammar | None = field(default=None, kw_only=True, compare=False)
    active_from: int = field(default=0, kw_only=True)

    @property
    def adapter(self) -> AdapterDigest | None:
        """The adapter that serves the request; None is the base alone."""
        return self.model.adapter

    @property
    def most_output_tokens(self) -> int:
        """The most output tokens of all choices together."""
        return self.choices * self.max_new_tokens


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One admitted request.

    tenant is an opaque key: tenants share the engine fairly, and cached prompt pages are reused only for the tenant
    that sent the prompt. granted_tokens: how many output tokens of each choice are paid for so far; a sequence that
    reaches this number is parked until `Service.extend` grants more. deadline_s: the request must end within this time
    after its acceptance. If nothing of it was computed by then it fails, else it is aborted and keeps its output.
    cache_salt: cached prompt pages are reused only under the same salt.
    """

    request_id: str
    prepared: Prepared
    tenant: str
    granted_tokens: int
    deadline_s: float | None = None
    cache_salt: str = ""
