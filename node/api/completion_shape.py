"""OpenAI's JSON for chat and plain completions, streamed and whole."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from node.api.inference import Inference, Settled
from node.errors import GenerationFailed, answer, openai_body
from serving.types import Outcome, TokenEvent, Usage

Json = dict[str, object]
Kind = Literal["chat", "text"]


@dataclass(frozen=True, slots=True)
class Shape:
    """How one endpoint writes down an inference."""

    kind: Kind
    inference: Inference
    include_usage: bool

    def _head(self, *, streamed: bool) -> Json:
        prefix, name = ("chatcmpl", "chat.completion") if self.kind == "chat" else ("cmpl", "text_completion")
        return {
            "id": f"{prefix}-{self.inference.ticket.request_id}",
            "object": f"{name}.chunk" if streamed and self.kind == "chat" else name,
            "created": self.inference.created,
            "model": self.inference.ticket.prepared.model,
        }

    def whole(self, text: str, settled: Settled) -> Json:
        """The body of an answer that is not streamed."""
        choice: Json = {"index": 0, "logprobs": None, "finish_reason": settled.end.finish_reason}
        if self.kind == "chat":
            choice["message"] = {"role": "assistant", "content": text, "refusal": None}
        else:
            choice["text"] = text
        usage = usage_json(settled.end.usage)
        return {**self._head(streamed=False), "choices": [choice], "usage": usage, "receipt": settled.receipt.document}

    def opening(self) -> list[Json]:
        """What comes before the first token: chat announces the role."""
        return [self._chunk({"role": "assistant", "content": "", "refusal": None})] if self.kind == "chat" else []

    def piece(self, text: str) -> Json:
        return self._chunk({"content": text} if self.kind == "chat" else text)

    def closing(self, settled: Settled) -> list[Json]:
        """The chunk with the finish reason, then the usage chunk if asked for. The last of them carries the receipt."""
        last = self._chunk({} if self.kind == "chat" else "", settled.end.finish_reason)
        if not self.include_usage:
            return [{**last, "receipt": settled.receipt.document}]
        usage = {**self._head(streamed=True), "choices": [], "usage": usage_json(settled.end.usage)}
        return [last, {**usage, "receipt": settled.receipt.document}]

    def _chunk(self, content: Json | str, finish_reason: str | None = None) -> Json:
        choice: Json = {"index": 0, "logprobs": None, "finish_reason": finish_reason}
        choice["delta" if self.kind == "chat" else "text"] = content
        chunk = {**self._head(streamed=True), "choices": [choice]}
        return {**chunk, "usage": None} if self.include_usage else chunk


def usage_json(usage: Usage) -> Json:
    """OpenAI's usage object; a receipt's tokensIn excludes the cached tokens that prompt_tokens includes."""
    prompt_tokens = usage.prompt_tokens + usage.cached_tokens
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": prompt_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


async def collect(inference: Inference) -> tuple[str, Settled]:
    """The whole output. GenerationFailed if the engine could not finish."""
    texts: list[str] = []
    while True:
        item = await inference.next()
        if isinstance(item, Settled):
            _raise_if_failed(item)
            return "".join(texts), item
        texts.append(item.text)


async def lines(shape: Shape, first: TokenEvent | Settled) -> AsyncIterator[bytes]:
    """The server-sent events of a stream. An error ends it as one data line, without [DONE]."""
    try:
        for chunk in shape.opening():
            yield _line(chunk)
        async for item in shape.inference.rest(first):
            if isinstance(item, Settled):
                _raise_if_failed(item)
                for chunk in shape.closing(item):
                    yield _line(chunk)
            elif item.text:
                yield _line(shape.piece(item.text))
        yield b"data: [DONE]\n\n"
    except Exception as error:  # the status line is long gone: the body has to tell
        yield _line(openai_body(answer(error)))


def _raise_if_failed(settled: Settled) -> None:
    if settled.end.outcome is Outcome.FAILED:
        raise GenerationFailed(settled.end.error or "The engine failed.")


def _line(document: Json) -> bytes:
    return b"data: " + json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"
