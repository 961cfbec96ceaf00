"""The OpenAI request bodies this node understands, and how each becomes a prompt and sampling parameters.

A field outside these models is refused by name. A field of the OpenAI API that this node does not implement is accepted
only with the value that means "off": leaving that out is honouring it.
"""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError, from_json

from node.errors import ApiError, InvalidBody, UnsupportedField
from serving.types import ChatMessage, ChatPrompt, Prompt, SamplingParams, TextPrompt, TokenPrompt

_Body = TypeVar("_Body", bound=BaseModel)
_OFF: dict[str, tuple[object, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
    "min_p": (0,),
    "min_tokens": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "tool_choice": ("none",),
    "parallel_tool_calls": (),
    "functions": ([],),
    "function_call": ("none",),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "stop_token_ids": ([],),
    "store": (False,),
    "suffix": (),
    "user": (),
    "metadata": (),
}
"""What switches off each field that is known but not implemented; null always does."""
_OFF_IN_MESSAGE = ("name", "refusal", "audio", "annotations", "tool_calls", "function_call")


def _stops(value: object) -> tuple[str, ...]:
    """One stop string or up to four; null and "" mean none."""
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise PydanticCustomError("stop", "give a string or a list of strings")
    if len(stops) > 4:
        raise PydanticCustomError("stop", "at most 4 stop strings")
    return tuple(stop for stop in stops if stop)


def _content(value: object) -> str:
    """A message's text: a string, or a list of text parts, which are joined."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        raise PydanticCustomError("content", "give a string or a list of text parts")
    for part in value:
        if part.get("type") != "text" or set(part) != {"type", "text"} or not isinstance(part["text"], str):
            raise PydanticCustomError("unsupported", 'only parts {{"type": "text", "text": …}} are supported')
    return "".join(part["text"] for part in value)


def _prompt(value: object) -> TextPrompt | TokenPrompt:
    """One prompt: text, token ids, or a list with one of these."""
    match value:
        case str(text) | [str(text)]:
            return TextPrompt(text)
        case [[*ids]] | [*ids] if ids and all(type(token) is int and token >= 0 for token in ids):
            return TokenPrompt(tuple(token for token in ids if isinstance(token, int)))
        case [_, _, *_]:
            raise PydanticCustomError("unsupported", "one prompt per request is supported")
    raise PydanticCustomError("prompt", "give a text or a list of token ids")


class StreamOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    include_usage: bool = False


class Generation(BaseModel):
    """What chat and plain completions have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    model: str = Field(min_length=1, max_length=512)
    max_tokens: int | None = Field(None, ge=1)
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=-1, lt=1 << 31)
    seed: int | None = Field(None, ge=-(1 << 63), lt=1 << 63)
    stop: Annotated[tuple[str, ...], PlainValidator(_stops), WithJsonSchema({"type": ["string", "array"]})] = ()
    ignore_eos: bool = False
    stream: bool = False
    stream_options: StreamOptions | None = None

    @model_validator(mode="after")
    def _stream_options_need_a_stream(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise PydanticCustomError("stream_options", "stream_options is only allowed when stream is true")
        return self

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def max_new_tokens(self) -> int | None:
        return self.max_tokens

    def sampling(self) -> SamplingParams:
        # vLLM writes "no filter" as top_k -1
        top_k = max(self.top_k, 0)
        return SamplingParams(self.temperature, self.top_p, top_k, self.seed, self.stop, self.ignore_eos)


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, PlainValidator(_content), WithJsonSchema({"type": ["string", "array"]})]

    def value(self) -> ChatMessage:
        return ChatMessage("system" if self.role == "developer" else self.role, self.content)


class ChatBody(Generation):
    """POST /v1/chat/completions."""

    messages: list[Message] = Field(min_length=1, max_length=4096)
    max_completion_tokens: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if len({self.max_tokens, self.max_completion_tokens} - {None}) > 1:
            raise PydanticCustomError("max_tokens", "max_tokens and max_completion_tokens differ: give one of them")
        return self

    @property
    def max_new_tokens(self) -> int | None:
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    def as_prompt(self) -> Prompt:
        return ChatPrompt(tuple(message.value() for message in self.messages))


class CompletionBody(Generation):
    """POST /v1/completions."""

    prompt: Annotated[TextPrompt | TokenPrompt, PlainValidator(_prompt), WithJsonSchema({"type": ["string", "array"]})]
    max_tokens: int | None = Field(16, ge=1)  # OpenAI's default for this endpoint

    def as_prompt(self) -> Prompt:
        return self.prompt


def parse(model: type[_Body], raw: bytes) -> _Body:
    """The body as a value, or what is wrong with it first: UnsupportedField or InvalidBody."""
    try:
        document = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidBody(None, f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidBody(None, "the body must be a JSON object")
    kept = {key: value for key, value in document.items() if not _is_off(model, key, value)}
    if isinstance(kept.get("messages"), list):
        kept["messages"] = [_without_off(message) for message in kept["messages"]]
    try:
        return model.model_validate(kept)
    except ValidationError as errors:
        raise _refusal(errors.errors()) from None


def _is_off(model: type[BaseModel], key: str, value: object) -> bool:
    if value is None:
        field = model.model_fields.get(key)
        return key in _OFF or (field is not None and not field.is_required())
    return any(type(value) in (type(off), float) and value == off for off in _OFF.get(key, ()))


def _without_off(message: object) -> object:
    if not isinstance(message, dict):
        return message
    return {key: value for key, value in message.items() if key not in _OFF_IN_MESSAGE or value not in (None, [])}


def _refusal(errors: list[ErrorDetails]) -> ApiError:
    """The error of the first problem; an unknown field comes before wrong values."""
    first = min(errors, key=lambda error: error["type"] not in ("extra_forbidden", "unsupported"))
    param = ".".join(str(part) for part in first["loc"]) or None
    if param and first["type"] == "extra_forbidden":
        off = _OFF.get(param, ())
        return UnsupportedField(param, f"this node supports only {off[0]}" if off else "this node does not support it")
    if param and first["type"] == "unsupported":
        return UnsupportedField(param, first["msg"])
    return InvalidBody(param or (first["type"] if first["loc"] == () else None), first["msg"])
