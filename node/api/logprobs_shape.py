"""OpenAI's JSON for the logprobs of chat and of plain completions."""

from collections.abc import Callable, Sequence
from typing import Literal

from serving.types import TokenLogprobs, TokenText

Json = dict[str, object]
TextOf = Callable[[int], TokenText]
LogprobsWriter = Callable[[Sequence[TokenLogprobs]], Json]
"""Writes down the next tokens of one answer, which is what a chunk of a stream or a whole answer holds."""
_LEAST = -9999.0
"""JSON has no infinity; this is what vLLM writes."""


def writer(kind: Literal["chat", "text"], text_of: TextOf) -> LogprobsWriter:
    """For one answer: plain completions count their text's characters from its start."""
    return _ChatLogprobs(text_of) if kind == "chat" else _TextLogprobs(text_of)


class _ChatLogprobs:
    """{"content": [{"token", "logprob", "bytes", "top_logprobs": [{"token", "logprob", "bytes"}]}]}."""

    def __init__(self, text_of: TextOf) -> None:
        self._text_of = text_of

    def __call__(self, told: Sequence[TokenLogprobs]) -> Json:
        content = [
            self._token(each.token_id, each.logprob) | {"top_logprobs": [self._token(*one) for one in each.top]}
            for each in told
        ]
        return {"content": content, "refusal": None}

    def _token(self, token_id: int, logprob: float) -> Json:
        content = self._text_of(token_id).content
        return {"token": _spelled(content), "logprob": max(logprob, _LEAST), "bytes": list(content)}


class _TextLogprobs:
    """{"tokens", "token_logprobs", "top_logprobs": [{token: logprob}], "text_offset"}, each with one entry per token.

    As OpenAI does it, the drawn token is among the top ones even if it is not that likely. Of two tokens with the same
    spelling the likelier one is told.
    """

    def __init__(self, text_of: TextOf) -> None:
        self._text_of = text_of
        self._characters = 0

    def __call__(self, told: Sequence[TokenLogprobs]) -> Json:
        offsets = []
        for each in told:
            offsets.append(self._characters)
            text = self._text_of(each.token_id)
            if text.visible:  # a character is counted with the first of its bytes
                self._characters += sum(byte & 0xC0 != 0x80 for byte in text.content)
        return {
            "tokens": [self._name(each.token_id) for each in told],
            "token_logprobs": [max(each.logprob, _LEAST) for each in told],
            "top_logprobs": [self._top(each) for each in told],
            "text_offset": offsets,
        }

    def _top(self, each: TokenLogprobs) -> Json:
        top: Json = {}
        for token_id, logprob in (*each.top, (each.token_id, each.logprob)):
            top.setdefault(self._name(token_id), max(logprob, _LEAST))
        return top

    def _name(self, token_id: int) -> str:
        return _spelled(self._text_of(token_id).content)


def _spelled(content: bytes) -> str:
    """A token as text; bytes that are no whole characters are written as OpenAI does: bytes:\\xe6\\xbc."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in content)
