"""Streaming text equals the text decoded at once, and stops where it should."""

import random

from hypothesis import given
from hypothesis import strategies as st

from serving.prompts.detokenize import IncrementalText, OutputText, StopStrings
from serving.prompts.vocabulary import Vocabulary
from tests.serving.tiny import VOCAB, tokenizer

VOCABULARY = Vocabulary.of(tokenizer())
texts = st.text(alphabet="abc é漢🎉\n 0👩‍🚀", max_size=40)


def streamed(ids: list[int]) -> list[str]:
    incremental = VOCABULARY.incremental_text()
    return [*(incremental.push(token) for token in ids), incremental.flush()]


@given(texts)
def test_the_pieces_of_any_text_make_up_the_text(text: str) -> None:
    ids = VOCABULARY.encode_text(text)

    assert "".join(streamed(ids)) == text


@given(st.lists(st.integers(0, VOCAB - 1), max_size=80))
def test_the_pieces_of_any_tokens_equal_one_decode_of_all(ids: list[int]) -> None:
    assert "".join(streamed(ids)) == VOCABULARY.decode(ids)


@given(texts)
def test_a_piece_never_holds_half_a_character(text: str) -> None:
    assert not any("\ufffd" in piece for piece in streamed(VOCABULARY.encode_text(text)))


def test_bytes_that_never_become_a_character_do_not_pile_up() -> None:
    continuation = VOCABULARY.spell("é")[-1]
    calls: list[int] = []

    def decode(ids: object) -> str:
        calls.append(len(list(ids)))  # type: ignore[call-overload]
        return VOCABULARY.decode(ids)  # type: ignore[arg-type]

    incremental = IncrementalText(decode, frozenset())
    text = "".join(incremental.push(continuation) for _ in range(500)) + incremental.flush()

    assert text == VOCABULARY.decode([continuation] * 500)
    assert max(calls) < 50


def test_special_tokens_are_skipped() -> None:
    ids = [0, *VOCABULARY.encode_text("hello"), 1, 2, *VOCABULARY.encode_text(" world")]

    assert "".join(streamed(ids)) == "hello world"


def stopped(pieces: list[str], stops: tuple[str, ...]) -> str:
    matcher = StopStrings(stops)
    out = ""
    for piece in pieces:
        text, met = matcher.push(piece)
        out += text
        if met:
            return out
    return out + matcher.flush()


@given(
    st.text(alphabet="ab", max_size=30),
    st.lists(st.text(alphabet="ab", min_size=1, max_size=5), max_size=3),
    st.integers(),
)
def test_the_cut_does_not_depend_on_where_pieces_begin(text: str, stops: list[str], seed: int) -> None:
    rng = random.Random(seed)
    pieces, rest = [], text
    while rest:
        size = rng.randint(0, len(rest))
        pieces.append(rest[:size])
        rest = rest[size:]
    ends = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    expected = text[: min(ends)[1]] if ends else text

    assert stopped(list(text), tuple(stops)) == expected
    assert stopped(pieces, tuple(stops)) == expected


def test_no_part_of_a_stop_string_leaves_before_it_is_known_not_to_be_one() -> None:
    matcher = StopStrings(("END",))

    assert matcher.push("so E") == ("so ", False)
    assert matcher.push("N") == ("", False)
    assert matcher.push("x") == ("ENx", False)
    assert matcher.push("END and more") == ("", True)


def test_the_stop_string_is_not_part_of_the_output() -> None:
    text = OutputText(VOCABULARY.incremental_text(), StopStrings((" sat",)))

    pieces = [text.push(token) for token in VOCABULARY.encode_text("the cat sat on")]

    out = ""
    for piece, met in pieces:
        out += piece
        if met:
            break
    assert out == "the cat"
