"""OpenAI's JSON for the logprobs of chat and of plain completions."""

from collections.abc import Callable, Sequence
from typing import Literal

from serving.types import TokenLogprobs, TokenText

Json = dict[str, object]
TextOf = Callable[[int], TokenText]
LogprobsWriter = Callable[[Sequence[TokenLogprobs]], Json]
"""Writes the next tokens of one answer: those of a stream's chunk, or all of them."""
_LEAST = -9999.0
"""vLLM's value for minus infinity, which JSON does not have."""


def writer(kind: Literal["chat", "text"], text_of: TextOf) -> LogprobsWriter:
    """Returns a writer for one answer. It is stateful: plain completions count the characters of the text so far."""
    return _ChatLogprobs(text_of) if kind == "chat" else _TextLogprobs(text_of)


class _ChatLogprobs:
    """{"content": [{"token", "logprob", "bytes", "top_logprobs": [{"token", "logprob", "bytes"}]}]}."""

    def __init__(self, text_of: TextOf) -> None:
        self._text_of = text_of

    def __call__(self, logprobs: Sequence[TokenLogprobs]) -> Json:
        content = [
            self._token(each.token_id, each.logprob) | {"top_logprobs": [self._token(*token) for token in each.top]}
            for each in logprobs
        ]
        return {"content": content, "refusal": None}

    def _token(self, token_id: int, logprob: float) -> Json:
        content = self._text_of(token_id).content
        return {"token": _spelled(content), "logprob": max(logprob, _LEAST), "bytes": list(content)}


class _TextLogprobs:
    """{"tokens", "token_logprobs", "top_logprobs": [{token: logprob}], "text_offset"}, each with one entry per token.

    As in OpenAI's API, the sampled token is among the top ones even if it is less likely than they are. Of two tokens
    with the same spelling, the likelier one is reported.
    """

    def __init__(self, text_of: TextOf) -> None:
        self._text_of = text_of
        self._characters = 0

    def __call__(self, logprobs: Sequence[TokenLogprobs]) -> Json:
        offsets = []
        for each in logprobs:
            offsets.append(self._characters)
            text = self._text_of(each.token_id)
            if text.visible:  # a character is counted with the first of its bytes
                self._characters += sum(byte & 0xC0 != 0x80 for byte in text.content)
        return {
            "tokens": [self._name(each.token_id) for each in logprobs],
            "token_logprobs": [max(each.logprob, _LEAST) for each in logprobs],
            "top_logprobs": [self._top(each) for each in logprobs],
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
    """A token as text. Bytes that are not whole characters are written as in OpenAI's API: bytes:\\xe6\\xbc."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in content)
