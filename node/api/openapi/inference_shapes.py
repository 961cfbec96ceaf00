"""The JSON that inference and the lists of models answer with, as models for the OpenAPI document."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from node.api.openapi.scalars import Amount, Hex

FinishReason = Literal["stop", "length", "abort"]
Anything = dict[str, object]


class CachedTokens(BaseModel):
    """How many of the prompt's tokens were found in the prefix cache."""

    cached_tokens: int


class TokenUsage(BaseModel):
    """OpenAI's usage object."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens | None = None


class ReceiptLine(BaseModel):
    """What one payee earned with a request. payeeKind: 0 address, 1 Datanet, 2 treasury."""

    payeeKind: Annotated[int, Field(ge=0, le=2)]
    id: Hex
    amount: Amount


class SignedReceipt(BaseModel):
    """A signed usage receipt. The salts open its commitments and are sent to the payer only."""

    id: Hex
    receipt: dict[str, str]
    signature: Hex
    lines: list[ReceiptLine]
    promptSalt: Hex | None = None
    outputSalt: Hex | None = None


class ChatMessageAnswer(BaseModel):
    """The message of an answer."""

    role: Literal["assistant"]
    content: str
    refusal: str | None = None


class ChatChoice(BaseModel):
    """One output of a chat completion."""

    index: int
    message: ChatMessageAnswer
    logprobs: Anything | None
    finish_reason: FinishReason


class ChatCompletion(BaseModel):
    """The answer of POST /v1/chat/completions. Streams send `chat.completion.chunk` objects instead."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: TokenUsage
    receipt: SignedReceipt


class TextChoice(BaseModel):
    """One output of a plain completion."""

    index: int
    text: str
    logprobs: Anything | None
    finish_reason: FinishReason


class TextCompletion(BaseModel):
    """The answer of POST /v1/completions."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: TokenUsage
    receipt: SignedReceipt


class TokenPrices(BaseModel):
    """A price list in base units: per million tokens, and the least fee of a request."""

    promptPerM: Amount
    cachedPerM: Amount
    outputPerM: Amount
    minFee: Amount


class TokenRates(BaseModel):
    """Prices in whole tokens of the asset, as decimal strings: per token, and per request."""

    prompt: str
    completion: str
    request: str
    image: str
    input_cache_read: str


class ServedModel(BaseModel):
    """A model that this node serves: the base or an adapter."""

    created: int
    owned_by: str
    root: str
    parent: str | None
    max_model_len: int
    context_length: int
    digest: str
    rank: int | None
    bytes: int | None
    residency: str
    pinned: bool
    prices: TokenPrices | None
    pricing: TokenRates | None


class OpenAIModel(ServedModel):
    """OpenAI's model object with vLLM's members and this node's own."""

    id: str
    object: Literal["model"]
    permission: list[Anything]


class OpenAIModels(BaseModel):
    """A list of models; `next` is the cursor of the following page."""

    object: Literal["list"]
    data: list[OpenAIModel]
    next: str | None


class ServedAdapter(ServedModel):
    """An adapter by its name."""

    name: str


class Adapters(BaseModel):
    """A list of adapters; `next` is the cursor of the following page."""

    data: list[ServedAdapter]
    next: str | None


class AdapterProvenance(ServedAdapter):
    """An adapter with its registered terms; null where none are registered."""

    terms: Anything | None
