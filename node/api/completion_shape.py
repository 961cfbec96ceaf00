"""OpenAI's JSON for chat and plain completions, streamed and whole."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

from node.api.errors import GenerationFailed, answer, openai_body
from node.api.inference import Inference, Settled
from node.api.logprobs_shape import LogprobsWriter
from serving.types import Outcome, TokenEvent, Usage

Json = dict[str, object]
Kind = Literal["chat", "text"]


@dataclass(frozen=True, slots=True)
class Shape:
    """How one endpoint writes down an inference. `logprobs`: one writer per choice; None unless they were asked for.

    continuous_usage: every chunk tells the tokens so far, as vLLM does it.
    """

    kind: Kind
    inference: Inference
    include_usage: bool
    continuous_usage: bool
    logprobs: Sequence[LogprobsWriter] | None

    @property
    def choices(self) -> range:
        return range(self.inference.ticket.prepared.choices)

    def whole(self, events: Sequence[TokenEvent], settled: Settled) -> Json:
        """The body of an answer that is not streamed."""
        choices = [self._whole_choice(choice, [e for e in events if e.choice == choice]) for choice in self.choices]
        usage = usage_json(settled.end.usage)
        return {**self._head(streamed=False), "choices": choices, "usage": usage, "receipt": settled.receipt.document}

    def opening(self) -> list[Json]:
        """What comes before the first token: chat announces the role, a plain completion echoes if asked to."""
        if self.kind == "chat":
            role: Json = {"role": "assistant", "content": "", "refusal": None}
            return [self._chunk(choice, role) for choice in self.choices]
        echo = self.inference.echo
        return [self._chunk(choice, echo) for choice in self.choices] if echo else []

    def pieces(self, event: TokenEvent, tokens: int) -> list[Json]:
        """The chunks of an event that is not the last; `tokens` is how many all choices have with it."""
        chunks = []
        if event.text or event.logprobs:
            told = self.logprobs[event.choice](event.logprobs) if self.logprobs and event.logprobs else None
            text: Json | str = {"content": event.text} if self.kind == "chat" else event.text
            chunks.append(self._chunk(event.choice, text, logprobs=told, tokens=tokens))
        if event.finish_reason is not None and event.end is None:
            chunks.append(self._closing_chunk(event, tokens))
        return chunks

    def closing(self, settled: Settled, last: TokenEvent) -> list[Json]:
        """The last choice's finish reason, then the usage if asked for. The last of these chunks has the receipt."""
        chunk = self._closing_chunk(last, settled.end.usage.output_tokens)
        if not self.include_usage:
            return [{**chunk, "receipt": settled.receipt.document}]
        usage = {**self._head(streamed=True), "choices": [], "usage": usage_json(settled.end.usage)}
        return [chunk, {**usage, "receipt": settled.receipt.document}]

    def _head(self, *, streamed: bool) -> Json:
        prefix, name = ("chatcmpl", "chat.completion") if self.kind == "chat" else ("cmpl", "text_completion")
        return {
            "id": f"{prefix}-{self.inference.ticket.request_id}",
            "object": f"{name}.chunk" if streamed and self.kind == "chat" else name,
            "created": self.inference.created,
            "model": self.inference.ticket.prepared.model,
        }

    def _whole_choice(self, index: int, events: Sequence[TokenEvent]) -> Json:
        text = self.inference.echo + "".join(event.text for event in events)
        told = None
        if self.logprobs is not None:
            told = self.logprobs[index]([each for event in events for each in event.logprobs])
        choice: Json = {"index": index, "logprobs": told, "finish_reason": events[-1].finish_reason}
        if self.kind == "chat":
            return {**choice, "message": {"role": "assistant", "content": text, "refusal": None}}
        return {**choice, "text": text}

    def _closing_chunk(self, event: TokenEvent, tokens: int) -> Json:
        return self._chunk(event.choice, {} if self.kind == "chat" else "", event.finish_reason, tokens=tokens)

    def _chunk(
        self,
        index: int,
        content: Json | str,
        finish_reason: str | None = None,
        logprobs: Json | None = None,
        tokens: int = 0,
    ) -> Json:
        choice: Json = {"index": index, "logprobs": logprobs, "finish_reason": finish_reason}
        choice["delta" if self.kind == "chat" else "text"] = content
        chunk = {**self._head(streamed=True), "choices": [choice]}
        if self.continuous_usage:
            prompt = len(self.inference.ticket.prepared.prompt_ids)
            return {**chunk, "usage": _usage_so_far(prompt, tokens)}
        return {**chunk, "usage": None} if self.include_usage else chunk


def usage_json(usage: Usage) -> Json:
    """OpenAI's usage object; a receipt's tokensIn excludes the cached tokens that prompt_tokens includes."""
    counts = _usage_so_far(usage.prompt_tokens + usage.cached_tokens, usage.output_tokens)
    return {**counts, "prompt_tokens_details": {"cached_tokens": usage.cached_tokens}}


def _usage_so_far(prompt: int, output: int) -> Json:
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}


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
        tokens, last = 0, None
        async for item in shape.inference.rest(first):
            if isinstance(item, TokenEvent):
                tokens, last = tokens + len(item.token_ids), item
                chunks = shape.pieces(item, tokens)
            else:
                _raise_if_failed(item)
                assert last is not None, "the end of an inference follows its last event"
                chunks = shape.closing(item, last)
            for chunk in chunks:
                yield _line(chunk)
        yield b"data: [DONE]\n\n"
    except Exception as error:  # the status line is long gone: the body has to tell
        yield _line(openai_body(answer(error)))


def _raise_if_failed(settled: Settled) -> None:
    if settled.end.outcome is Outcome.FAILED:
        raise settled.end.cause or GenerationFailed(settled.end.error or "The engine failed.")


def _line(document: Json) -> bytes:
    return b"data: " + json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"
