"""The tokenizer as serving uses it: text to ids and back; a user's text can never become a control token."""

import copy
import json
import re
import secrets
from collections.abc import Sequence

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from serving.errors import BaseModelUnusable, InvalidRequest
from serving.prompts.detokenize import IncrementalText, overlap_chars
from serving.prompts.token_bytes import TokenBytes
from serving.types import TokenText

_BRACKETED = re.compile(r"[<\[]\S+[>\]]")
"""Added tokens that control a model although their tokenizer does not mark them as special, such as <tool_call>."""


class Vocabulary:
    """A fast tokenizer in two forms: with its added tokens for templates, and without for control tokens in users'
    texts.

    It is immutable after construction, so any thread may use it.
    """

    def __init__(self, whole: Tokenizer, chat_template: str | None, named_tokens: dict[str, str]) -> None:
        self._whole = whole
        self._plain = _without_added_tokens(whole)
        added = whole.get_added_tokens_decoder()
        self._special_ids = frozenset(token_id for token_id, token in added.items() if token.special)
        control = {
            i: token.content for i, token in added.items() if token.special or _BRACKETED.fullmatch(token.content)
        }
        self._control_ids = frozenset(control)
        self._control = tuple(sorted(filter(None, control.values()), key=len, reverse=True))
        self._control_pattern = re.compile("|".join(map(re.escape, self._control))) if self._control else None
        self._prefix, self._suffix = self._frame()
        self._bytes = TokenBytes(whole)
        self._embeddings: int | None = None
        self.chat_template = chat_template
        self.named_tokens = named_tokens
        """bos_token and similar variables of chat templates."""

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> "Vocabulary":
        """The vocabulary of a transformers tokenizer. Raises BaseModelUnusable if it is not a fast tokenizer."""
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            raise BaseModelUnusable("the base model's folder has no fast tokenizer (tokenizer.json)")
        template = tokenizer.chat_template
        named = {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
        whole = Tokenizer.from_str(backend.to_str())
        whole.no_padding()
        whole.no_truncation()
        return cls(whole, template if isinstance(template, str) else None, named)

    def limited_to(self, embeddings: int) -> "Vocabulary":
        """The same tokenizer for a model with `embeddings` tokens: tokens from that id on cannot be served."""
        limited = copy.copy(self)
        limited._embeddings = embeddings
        return limited

    @property
    def size(self) -> int:
        """The number of token ids that can be served, from 0 on."""
        size = int(self._whole.get_vocab_size(with_added_tokens=True))
        return size if self._embeddings is None else min(size, self._embeddings)

    def check_embedded(self, token_ids: Sequence[int]) -> None:
        """Raises InvalidRequest for a token that the base model has no embedding for."""
        highest = max(token_ids, default=0)
        if self._embeddings is not None and highest >= self._embeddings:
            raise InvalidRequest(
                "prompt",
                f"contains the token {self._whole.id_to_token(highest)!r} (id {highest}), for which the base model has "
                f"no embedding; its ids end at {self._embeddings - 1}",
            )

    def encode_text(self, text: str) -> list[int]:
        """The ids of a plain prompt as the tokenizer encodes it (bos included), with control tokens spelled out."""
        return [*self._prefix, *self._encode_guarded(text, self._control_spans(text)), *self._suffix]

    def guard(self, text: str) -> tuple[str, dict[str, str]]:
        """(`text` with the name of each control token replaced by a random marker, marker → the replaced text).

        The edges of the text are replaced too if, joined with the text that a template writes before or after it, they
        could form a control token.
        """
        markers: dict[str, str] = {}
        if self._control_pattern is None:
            return text, markers

        def mark(part: str) -> str:
            marker = f"\ue000{secrets.token_hex(8)}\ue001"
            markers[marker] = part
            return marker

        guarded = self._control_pattern.sub(lambda match: mark(match.group()), text)
        body = guarded.rstrip()  # templates strip the text
        if opened := max((overlap_chars(body, token) for token in self._control), default=0):
            guarded = body[:-opened] + mark(body[-opened:]) + guarded[len(body) :]
        blank = len(guarded) - len(guarded.lstrip())
        if ending := max((overlap_chars(token, guarded[blank:]) for token in self._control), default=0):
            guarded = guarded[:blank] + mark(guarded[blank : blank + ending]) + guarded[blank + ending :]
        return guarded, markers

    def encode_rendered(self, rendered: str, markers: dict[str, str]) -> list[int]:
        """The ids of a rendered template. Its own control tokens are control tokens; texts behind `markers` are spelled
        out.
        """
        ids: list[int] = []
        for piece in re.split("(" + "|".join(map(re.escape, markers)) + ")", rendered) if markers else [rendered]:
            ids += self.spell(markers[piece]) if piece in markers else self._encode(self._whole, piece)
        return ids

    def spell(self, text: str) -> list[int]:
        """The ids of `text` as ordinary tokens, even if it is the name of a control token."""
        ids = self._encode(self._plain, text)
        if self._control_ids.isdisjoint(ids):
            return ids
        return [i for character in text for i in self._encode(self._plain, character) if i not in self._control_ids]

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of `token_ids`, special tokens skipped."""
        return str(self._whole.decode(list(token_ids), skip_special_tokens=True))

    def token_text(self, token_id: int) -> TokenText:
        """The bytes of one token, and whether it is visible in texts; no bytes for an id that no token has."""
        return TokenText(self._bytes.of(token_id), visible=token_id not in self._special_ids)

    def incremental_text(self) -> IncrementalText:
        """A fresh decoder for the tokens of one output."""
        return IncrementalText(self.decode, self._special_ids)

    def _control_spans(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in self._control_pattern.finditer(text)] if self._control_pattern else []

    def _encode_guarded(self, text: str, spans: Sequence[tuple[int, int]]) -> list[int]:
        ids: list[int] = []
        encoded = 0
        for start, end in spans:
            ids += self._encode(self._whole, text[encoded:start]) + self.spell(text[start:end])
            encoded = end
        return ids + self._encode(self._whole, text[encoded:])

    def _frame(self) -> tuple[list[int], list[int]]:
        """The ids that the tokenizer adds before and after every text."""
        bare = self._encode(self._whole, "a")
        framed: list[int] = self._whole.encode("a", add_special_tokens=True).ids
        start = next((i for i in range(len(framed) - len(bare) + 1) if framed[i : i + len(bare)] == bare), 0)
        return framed[:start], framed[start + len(bare) :]

    @staticmethod
    def _encode(tokenizer: Tokenizer, text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids) if text else []


def _without_added_tokens(tokenizer: Tokenizer) -> Tokenizer:
    described = json.loads(tokenizer.to_str())
    described["added_tokens"] = []
    described["post_processor"] = None
    return Tokenizer.from_str(json.dumps(described))
