"""The OpenAI request bodies that this node understands, and how each becomes a prompt and sampling parameters.

A field outside these models is refused by name, unless its value changes nothing (`node.api.neutral_fields`).
"""

from abc import ABC, abstractmethod
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError, from_json

from node.api import field_schemas, fields, neutral_fields
from node.api.errors import ApiError, InvalidBody, UnsupportedField
from serving.frontend.choices import MAX_CHOICES
from serving.frontend.limits import MAX_STOP_TOKEN_IDS, REPETITION_PENALTY
from serving.sampling.logprobs import MAX_TOP_LOGPROBS
from serving.types import ChatMessage, ChatPrompt, Prompt, SamplingParams, TextPrompt, TokenPrompt

_Body = TypeVar("_Body", bound=BaseModel)


class StreamOptions(BaseModel):
    """What a stream carries besides the output."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    include_usage: bool = False
    continuous_usage_stats: bool = False

    @model_validator(mode="after")
    def _continuous_usage_is_usage(self) -> Self:
        if self.continuous_usage_stats and not self.include_usage:
            raise PydanticCustomError("stream_options", "continuous_usage_stats needs include_usage")
        return self


class Generation(BaseModel, ABC):
    """The fields that chat and plain completions share."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    model: str = Field(min_length=1, max_length=512)
    max_tokens: int | None = Field(None, ge=1)
    n: int = Field(1, ge=1, le=MAX_CHOICES)
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=-1, lt=1 << 31)
    seed: int | None = Field(None, ge=-(1 << 63), lt=1 << 63)
    stop: Annotated[tuple[str, ...], PlainValidator(fields.stops), WithJsonSchema(field_schemas.STOPS)] = ()
    stop_token_ids: list[Annotated[int, Field(ge=0, lt=1 << 31)]] = Field([], max_length=MAX_STOP_TOKEN_IDS)
    ignore_eos: bool = False
    min_tokens: int = Field(0, ge=0)
    min_p: float = Field(0.0, ge=0, le=1)
    presence_penalty: float = Field(0.0, ge=-2, le=2)
    frequency_penalty: float = Field(0.0, ge=-2, le=2)
    repetition_penalty: float = Field(1.0, ge=REPETITION_PENALTY[0], le=REPETITION_PENALTY[1])
    logit_bias: Annotated[
        tuple[tuple[int, float], ...], PlainValidator(fields.logit_bias), WithJsonSchema(field_schemas.LOGIT_BIAS)
    ] = ()
    response_format: Annotated[
        str | None, PlainValidator(fields.response_format), WithJsonSchema(field_schemas.RESPONSE_FORMAT)
    ] = None
    cache_salt: str | None = Field(None, min_length=1, max_length=256)
    stream: bool = False
    stream_options: StreamOptions | None = None

    @model_validator(mode="after")
    def _stream_options_need_a_stream(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise PydanticCustomError("stream_options", "stream_options is only allowed when stream is true")
        return self

    @property
    def include_usage(self) -> bool:
        """Whether the stream ends with a chunk of usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def continuous_usage(self) -> bool:
        """Whether every chunk carries the usage so far."""
        return self.stream_options is not None and self.stream_options.continuous_usage_stats

    @property
    def max_new_tokens(self) -> int | None:
        """The most output tokens of each choice; None takes what fits the context."""
        return self.max_tokens

    @property
    @abstractmethod
    def wanted_logprobs(self) -> int | None:
        """How many of the likeliest tokens to report for each output token; None reports nothing."""

    def sampling(self) -> SamplingParams:
        """The sampling parameters as serving takes them."""
        return SamplingParams(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=max(self.top_k, 0),  # vLLM writes "no filter" as -1
            seed=self.seed,
            stop=self.stop,
            ignore_eos=self.ignore_eos,
            min_p=self.min_p,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            repetition_penalty=self.repetition_penalty,
            logit_bias=self.logit_bias,
            min_tokens=self.min_tokens,
            stop_token_ids=tuple(self.stop_token_ids),
            logprobs=self.wanted_logprobs,
        )


class Message(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, PlainValidator(fields.content), WithJsonSchema(field_schemas.CONTENT)]

    def value(self) -> ChatMessage:
        """The message as serving takes it; chat templates know `developer` as `system`."""
        return ChatMessage("system" if self.role == "developer" else self.role, self.content)


class ChatBody(Generation):
    """POST /v1/chat/completions."""

    messages: list[Message] = Field(min_length=1, max_length=4096)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=MAX_TOP_LOGPROBS)

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if len({self.max_tokens, self.max_completion_tokens} - {None}) > 1:
            raise PydanticCustomError("max_tokens", "max_tokens and max_completion_tokens differ: give one of them")
        return self

    @property
    def max_new_tokens(self) -> int | None:
        """`max_completion_tokens`, or its older name `max_tokens`."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @field_validator("top_logprobs")
    @classmethod
    def _top_logprobs_need_logprobs(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value and info.data.get("logprobs") is False:
            raise PydanticCustomError("top_logprobs", "top_logprobs is only allowed when logprobs is true")
        return value

    @property
    def wanted_logprobs(self) -> int | None:
        """`top_logprobs`, if `logprobs` is true."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def echo(self) -> bool:
        """Chat never echoes its prompt."""
        return False

    def as_prompt(self) -> Prompt:
        """The prompt as serving takes it."""
        return ChatPrompt(tuple(message.value() for message in self.messages))


class CompletionBody(Generation):
    """POST /v1/completions."""

    prompt: Annotated[TextPrompt | TokenPrompt, PlainValidator(fields.prompt), WithJsonSchema(field_schemas.PROMPT)]
    max_tokens: int | None = Field(16, ge=1)  # OpenAI's default for this endpoint
    logprobs: int | None = Field(None, ge=0, le=MAX_TOP_LOGPROBS)
    echo: bool = False

    @field_validator("echo")
    @classmethod
    def _echo_has_no_logprobs(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("logprobs") is not None:
            raise PydanticCustomError("unsupported", "the prompt's logprobs are not computed: echo without logprobs")
        return value

    @property
    def wanted_logprobs(self) -> int | None:
        """`logprobs`, which is a number here."""
        return self.logprobs

    def as_prompt(self) -> Prompt:
        """The prompt as serving takes it."""
        return self.prompt


def parse(model: type[_Body], raw: bytes) -> _Body:
    """Parses a body. Raises UnsupportedField or InvalidBody for the first thing that is wrong with it."""
    try:
        document = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidBody(None, f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidBody(None, "the body must be a JSON object")
    kept = {key: value for key, value in document.items() if not _changes_nothing(model, key, value)}
    if isinstance(kept.get("messages"), list):
        kept["messages"] = [neutral_fields.plain_message(message) for message in kept["messages"]]
    if "stream_options" in kept:
        kept["stream_options"] = neutral_fields.plain_stream_options(kept["stream_options"])
    try:
        return model.model_validate(kept)
    except ValidationError as errors:
        raise _refusal(errors.errors()) from None


def _changes_nothing(model: type[BaseModel], key: str, value: object) -> bool:
    field = model.model_fields.get(key)
    if field is None:
        return issubclass(model, Generation) and neutral_fields.is_neutral(key, value)
    return not field.is_required() and (value is None or neutral_fields.is_neutral(key, value))


def _refusal(errors: list[ErrorDetails]) -> ApiError:
    """The error of the first problem; an unknown field comes before wrong values."""
    first = min(errors, key=lambda error: error["type"] not in ("extra_forbidden", "unsupported"))
    param = ".".join(str(part) for part in first["loc"]) or None
    if param and first["type"] == "extra_forbidden":
        accepted = neutral_fields.supported(param)
        reason = f"this node supports only {accepted}" if accepted else "this node does not support it"
        return UnsupportedField(param, reason, optional=True)
    if param and first["type"] == "unsupported":
        return UnsupportedField(param, first["msg"])
    return InvalidBody(param or (first["type"] if first["loc"] == () else None), first["msg"])
