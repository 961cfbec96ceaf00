"""Reads an answer while it passes to the caller: its text, usage and receipt, from JSON or from server-sent events."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx2

from contracts.document import parse_json
from contracts.encoding import outputs
from node.client.errors import DecodingError
from node.client.receipt import ReceivedOutput

MAX_PLAIN_BYTES = 64 << 20
"""A larger JSON answer is refused: it is no answer of a language model."""

MAX_LINE_BYTES = 4 << 20
"""A longer line of a stream is refused; no chunk of tokens comes near it."""


class Transcript:
    """What was read of one response so far. `choices`: how many the request asked for (OpenAI's `n`).

    receipt, error: the JSON members of these names, None until they arrive.
    """

    def __init__(self, *, streamed: bool, choices: int = 1) -> None:
        self.receipt: object = None
        self.error: object = None
        self._streamed = streamed
        self._pending = b""
        self._texts: list[list[str]] = [[] for _ in range(choices)]
        self._usage: dict[str, object] = {}

    @property
    def received(self) -> ReceivedOutput:
        """The output and token counts so far."""

        def count(name: str) -> int | None:
            value = self._usage.get(name)
            return value if isinstance(value, int) else None

        output = outputs(["".join(pieces) for pieces in self._texts])
        return ReceivedOutput(output, count("prompt_tokens"), count("completion_tokens"))

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes of the response's body. DecodingError if they are not what OpenAI's API sends."""
        self._pending += chunk
        if not self._streamed:
            if len(self._pending) > MAX_PLAIN_BYTES:
                raise DecodingError("the answer is too large")
            return
        *lines, self._pending = self._pending.split(b"\n")
        if len(self._pending) > MAX_LINE_BYTES:
            raise DecodingError("a line of the stream is too large")
        for line in lines:
            # in OpenAI's streams every event is a single `data:` line; comments and `[DONE]` carry no JSON
            if line.startswith(b"data:") and (data := line[5:].strip()) != b"[DONE]":
                self._take(data)

    def finish(self) -> None:
        """Call this at the end of the body: JSON is parsed only now. DecodingError as for `feed`."""
        if not self._streamed:
            self._take(self._pending)

    def _take(self, data: bytes) -> None:
        try:
            document = parse_json(data)
        except ValueError as error:
            raise DecodingError("the node sent something that is not JSON") from error
        if not isinstance(document, dict):
            raise DecodingError("the node sent JSON that is not an object")
        for choice in document.get("choices") or []:
            if isinstance(choice, dict):
                self._texts[self._index(choice)].append(_text(choice))
        if isinstance(usage := document.get("usage"), dict):
            self._usage = usage
        self.error = document.get("error", self.error)
        self.receipt = document.get("receipt", self.receipt)

    def _index(self, choice: dict[str, object]) -> int:
        index = choice.get("index", 0)
        if not isinstance(index, int) or not 0 <= index < len(self._texts):
            raise DecodingError(f"the node sent choice {index!r:.20}; {len(self._texts)} were asked for")
        return index


def _text(choice: dict[str, object]) -> str:
    """The text of a chat message, a chat delta or a plain completion."""
    holder = choice.get("delta") or choice.get("message") or choice
    text = holder.get("content", holder.get("text")) if isinstance(holder, dict) else None
    return text if isinstance(text, str) else ""


class TranscribedStream(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A response's body that passes unchanged while a transcript is written.

    on_receipt(transcript) runs once: before the chunk with the receipt passes, or at the end of a body without a
    receipt. An error that it raises reaches the reader instead of that chunk. on_lost() runs instead of it if the
    reader stops early or the node reports an error.
    """

    def __init__(
        self,
        stream: httpx2.SyncByteStream | httpx2.AsyncByteStream,
        transcript: Transcript,
        on_receipt: Callable[[Transcript], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._stream, self._transcript = stream, transcript
        self._on_receipt, self._on_lost = on_receipt, on_lost
        self._settled = False

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self._stream, httpx2.SyncByteStream)
        for chunk in self._stream:
            self._feed(chunk)
            yield chunk
        self._finish()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._stream, httpx2.AsyncByteStream)
        async for chunk in self._stream:
            self._feed(chunk)
            yield chunk
        self._finish()

    def close(self) -> None:
        """Closes the body; the receipt is lost if it was not read yet."""
        assert isinstance(self._stream, httpx2.SyncByteStream)
        self._lose()
        self._stream.close()

    async def aclose(self) -> None:
        """Closes the body; the receipt is lost if it was not read yet."""
        assert isinstance(self._stream, httpx2.AsyncByteStream)
        self._lose()
        await self._stream.aclose()

    def _feed(self, chunk: bytes) -> None:
        self._transcript.feed(chunk)
        if self._transcript.receipt is not None:
            self._settle()

    def _finish(self) -> None:
        self._transcript.finish()
        if self._transcript.error is not None:
            self._lose()
        self._settle()

    def _settle(self) -> None:
        if not self._settled:
            self._settled = True
            self._on_receipt(self._transcript)

    def _lose(self) -> None:
        if not self._settled:
            self._settled = True
            self._on_lost()
