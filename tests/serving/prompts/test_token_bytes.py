"""Tokens as bytes, for the kinds of tokenizers that models come with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from serving.prompts.token_bytes import TokenBytes
from serving.prompts.vocabulary import Vocabulary
from tests.serving.tiny import tokenizer

VOCABULARY = Vocabulary.of(tokenizer())


@given(st.text(max_size=40))
def test_the_bytes_of_tokens_are_the_bytes_of_their_text(text: str) -> None:
    tokens = [VOCABULARY.token_text(token) for token in VOCABULARY.encode_text(text)]

    assert b"".join(token.content for token in tokens if token.visible) == text.encode()


def test_control_tokens_are_named_and_not_visible() -> None:
    (end,) = tokenizer().convert_tokens_to_ids(["<|end|>"])

    assert VOCABULARY.token_text(end).content == b"<|end|>"
    assert not VOCABULARY.token_text(end).visible


def test_an_id_without_a_token_has_no_bytes() -> None:
    assert VOCABULARY.token_text(VOCABULARY.size + 3).content == b""


SENTENCEPIECE = decoders.Sequence(
    [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
)


@pytest.mark.parametrize(
    ("decoder", "piece", "expected"),
    [
        (SENTENCEPIECE, "▁the", b" the"),
        (SENTENCEPIECE, "<0xE6>", b"\xe6"),
        (SENTENCEPIECE, "é", "é".encode()),
        (decoders.Metaspace(), "▁the", b" the"),
        (decoders.ByteLevel(), "Ġthe", b" the"),
        (decoders.ByteLevel(), "æ", b"\xe6"),
        (decoders.WordPiece(), "the", b"the"),
        (None, "the", b"the"),
    ],
)
def test_each_decoder_spells_its_pieces(decoder: decoders.Decoder | None, piece: str, expected: bytes) -> None:
    made = Tokenizer(models.WordLevel({piece: 0}, unk_token=piece))
    if decoder is not None:
        made.decoder = decoder

    assert TokenBytes(made).of(0) == expected
