"""OpenAI's JSON for chat and plain completions, streamed and whole."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from node.api.errors import INTERNAL, GenerationFailed, answer, fault_of, openai_body
from node.api.inference import Inference, Settled
from node.api.logprobs_shape import LogprobsWriter
from serving.types import Outcome, TokenEvent, Usage

Json = dict[str, object]
Kind = Literal["chat", "text"]


@dataclass(frozen=True, slots=True)
class Shape:
    """How one endpoint writes an inference. logprobs: one writer per choice; None if the request asks for none.

    continuous_usage: every chunk carries the usage so far, as in vLLM.
    """

    kind: Kind
    inference: Inference
    include_usage: bool
    continuous_usage: bool
    logprobs: Sequence[LogprobsWriter] | None

    @property
    def choices(self) -> range:
        """The indices of the choices."""
        return range(self.inference.ticket.prepared.choices)

    def whole(self, events: Sequence[TokenEvent], settled: Settled) -> Json:
        """The body of an answer that is not streamed."""
        choices = [self._whole_choice(choice, [e for e in events if e.choice == choice]) for choice in self.choices]
        usage = usage_json(settled.end.usage)
        return {**self._head(streamed=False), "choices": choices, "usage": usage, "receipt": settled.receipt.document}

    def opening(self) -> list[Json]:
        """The chunks before the first token: chat announces the role, and `echo` repeats the prompt of a completion."""
        if self.kind == "chat":
            role: Json = {"role": "assistant", "content": "", "refusal": None}
            return [self._chunk(choice, role) for choice in self.choices]
        echo = self.inference.echo
        return [self._chunk(choice, echo) for choice in self.choices] if echo else []

    def pieces(self, event: TokenEvent, tokens: int) -> list[Json]:
        """The chunks of an event, except the one that closes the last choice. tokens: of all choices so far."""
        chunks = []
        if event.text or event.logprobs:
            logprobs = self.logprobs[event.choice](event.logprobs) if self.logprobs and event.logprobs else None
            text: Json | str = {"content": event.text} if self.kind == "chat" else event.text
            chunks.append(self._chunk(event.choice, text, logprobs=logprobs, tokens=tokens))
        if event.finish_reason is not None and event.end is None:
            chunks.append(self._closing_chunk(event, tokens))
        return chunks

    def closing(self, settled: Settled, last: TokenEvent) -> list[Json]:
        """The chunk that closes the last choice, then the usage if asked for. The last chunk carries the receipt."""
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
            "model": self.inference.ticket.prepared.model.name,
        }

    def _whole_choice(self, index: int, events: Sequence[TokenEvent]) -> Json:
        text = self.inference.echo + "".join(event.text for event in events)
        logprobs = None
        if self.logprobs is not None:
            logprobs = self.logprobs[index]([each for event in events for each in event.logprobs])
        choice: Json = {"index": index, "logprobs": logprobs, "finish_reason": events[-1].finish_reason}
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
    """The whole output. Raises GenerationFailed, or the cause, if the engine could not finish."""
    events = [await inference.next()]
    while events[-1].end is None:
        events.append(await inference.next())
    return events, await _success(inference)


async def lines(shape: Shape, first: TokenEvent, redact: Callable[[str], str] = str) -> AsyncIterator[bytes]:
    """The server-sent events of a stream. An error ends it as one data line, without [DONE].

    redact: removes the secrets of configured URLs from an error's text.
    """
    inference, event, tokens = shape.inference, first, 0
    try:
        for chunk in shape.opening():
            yield _line(chunk)
        while True:
            tokens += len(event.token_ids)
            for chunk in shape.pieces(event, tokens):
                yield _line(chunk)
            if event.end is not None:
                break
            event = await inference.next()
        for chunk in shape.closing(await _success(inference), event):
            yield _line(chunk)
        yield b"data: [DONE]\n\n"
    except Exception as error:  # the status line has been sent, so the body has to carry the error
        _log_failure(inference, error)
        yield _line(openai_body(answer(error, redact)))


async def _success(inference: Inference) -> Settled:
    """The end and the receipt of a generation that did not fail."""
    settled = await inference.settled()
    if settled.end.outcome is Outcome.FAILED:
        raise settled.end.cause or GenerationFailed(settled.end.error or "The engine failed.")
    return settled


def _log_failure(inference: Inference, error: Exception) -> None:
    """Logs an error that ends a stream. The envelope logs those of whole answers by the same rule."""
    fault = fault_of(error)
    if fault is INTERNAL:
        inference.log.error("stream_failed", code=fault.code, exc_info=error)
    elif fault.status >= 500:
        inference.log.warning("stream_failed", code=fault.code, reason=str(error))


def _line(document: Json) -> bytes:
    return b"data: " + json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"
