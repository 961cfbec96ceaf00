"""OpenAI's JSON for chat and plain completions, streamed and whole."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

from node.api.inference import Inference, Settled
from node.api.logprobs_shape import LogprobsWriter
from node.errors import GenerationFailed, answer, openai_body
from serving.types import Outcome, TokenEvent, Usage

Json = dict[str, object]
Kind = Literal["chat", "text"]


@dataclass(frozen=True, slots=True)
class Shape:
    """How one endpoint writes down an inference. `logprobs` is None unless they were asked for."""

    kind: Kind
    inference: Inference
    include_usage: bool
    logprobs: LogprobsWriter | None

    def _head(self, *, streamed: bool) -> Json:
        prefix, name = ("chatcmpl", "chat.completion") if self.kind == "chat" else ("cmpl", "text_completion")
        return {
            "id": f"{prefix}-{self.inference.ticket.request_id}",
            "object": f"{name}.chunk" if streamed and self.kind == "chat" else name,
            "created": self.inference.created,
            "model": self.inference.ticket.prepared.model,
        }

    def whole(self, events: Sequence[TokenEvent], settled: Settled) -> Json:
        """The body of an answer that is not streamed."""
        text = self.inference.echo + "".join(event.text for event in events)
        told = None if self.logprobs is None else self.logprobs([each for event in events for each in event.logprobs])
        choice: Json = {"index": 0, "logprobs": told, "finish_reason": settled.end.finish_reason}
        if self.kind == "chat":
            choice["message"] = {"role": "assistant", "content": text, "refusal": None}
        else:
            choice["text"] = text
        usage = usage_json(settled.end.usage)
        return {**self._head(streamed=False), "choices": [choice], "usage": usage, "receipt": settled.receipt.document}

    def opening(self) -> list[Json]:
        """What comes before the first token: chat announces the role, a plain completion echoes if asked to."""
        if self.kind == "chat":
            return [self._chunk({"role": "assistant", "content": "", "refusal": None})]
        return [self._chunk(self.inference.echo)] if self.inference.echo else []

    def piece(self, event: TokenEvent) -> Json:
        told = self.logprobs(event.logprobs) if self.logprobs is not None and event.logprobs else None
        return self._chunk({"content": event.text} if self.kind == "chat" else event.text, logprobs=told)

    def closing(self, settled: Settled) -> list[Json]:
        """The chunk with the finish reason, then the usage chunk if asked for. The last of them carries the receipt."""
        last = self._chunk({} if self.kind == "chat" else "", settled.end.finish_reason)
        if not self.include_usage:
            return [{**last, "receipt": settled.receipt.document}]
        usage = {**self._head(streamed=True), "choices": [], "usage": usage_json(settled.end.usage)}
        return [last, {**usage, "receipt": settled.receipt.document}]

    def _chunk(self, content: Json | str, finish_reason: str | None = None, logprobs: Json | None = None) -> Json:
        choice: Json = {"index": 0, "logprobs": logprobs, "finish_reason": finish_reason}
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


async def collect(inference: Inference) -> tuple[list[TokenEvent], Settled]:
    """The whole output. GenerationFailed if the engine could not finish."""
    events: list[TokenEvent] = []
    while True:
        item = await inference.next()
        if isinstance(item, Settled):
            _raise_if_failed(item)
            return events, item
        events.append(item)


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
            elif item.text or item.logprobs:
                yield _line(shape.piece(item))
        yield b"data: [DONE]\n\n"
    except Exception as error:  # the status line is long gone: the body has to tell
        yield _line(openai_body(answer(error)))


def _raise_if_failed(settled: Settled) -> None:
    if settled.end.outcome is Outcome.FAILED:
        raise settled.end.cause or GenerationFailed(settled.end.error or "The engine failed.")


def _line(document: Json) -> bytes:
    return b"data: " + json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"
