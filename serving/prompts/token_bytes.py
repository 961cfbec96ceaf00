"""The bytes of each token of a vocabulary, even if they are only a part of a character."""

import json
import re

from tokenizers import Tokenizer

_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class TokenBytes:
    """Converts a vocabulary's pieces as its own decoder does. The concatenated bytes of tokens are their text in UTF-8.

    There is one difference: a decoder may drop the space before the first word of a text.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._added = {token_id: token.content for token_id, token in tokenizer.get_added_tokens_decoder().items()}
        self._decoders = _names(json.loads(tokenizer.to_str())["decoder"])

    def of(self, token_id: int) -> bytes:
        """The bytes of one token; empty for an id that no token has."""
        if token_id in self._added:
            return self._added[token_id].encode()
        piece = self._tokenizer.id_to_token(token_id)
        if piece is None:
            return b""
        if "ByteLevel" in self._decoders and all(character in _BYTES for character in piece):
            return bytes(_BYTES[character] for character in piece)
        if "ByteFallback" in self._decoders and (byte := _BYTE_PIECE.fullmatch(piece)):
            return bytes([int(byte[1], 16)])
        if self._decoders & {"Metaspace", "Replace"}:
            return piece.replace("\u2581", " ").encode()
        return str(self._tokenizer.decode([token_id])).encode()


def _names(decoder: dict[str, object] | None) -> frozenset[object]:
    """The decoder's type, and those of its parts if it is a sequence."""
    if decoder is None:
        return frozenset()
    parts = decoder.get("decoders", [])
    assert isinstance(parts, list)
    return frozenset({decoder["type"]}).union(*map(_names, parts))


def _byte_of_character() -> dict[str, int]:
    """GPT-2's byte alphabet: printable Latin-1 maps to itself, the other bytes are mapped from U+0100 upwards."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTES = _byte_of_character()
