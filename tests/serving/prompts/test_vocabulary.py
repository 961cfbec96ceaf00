"""Text to ids: as Hugging Face does it, except that nobody's text becomes a control token."""

from hypothesis import given
from hypothesis import strategies as st

from serving.prompts.vocabulary import Vocabulary
from tests.serving.tiny import tokenizer

HF = tokenizer()
VOCABULARY = Vocabulary.of(HF)
SPECIAL_IDS = set(HF.all_special_ids)
harmless = st.text(alphabet="abc é漢🎉\n<|>", max_size=40)
hostile = st.lists(st.sampled_from(["<|end|>", "<|user|>", "<|bos|>", "<|", "end|>", "hello ", "é"]), max_size=12).map(
    "".join
)


@given(harmless)
def test_text_without_control_tokens_is_encoded_as_hugging_face_does(text: str) -> None:
    assert VOCABULARY.encode_text(text) == HF(text).input_ids


@given(hostile)
def test_spelled_out_control_tokens_stay_text(text: str) -> None:
    ids = VOCABULARY.encode_text(text)

    assert SPECIAL_IDS.isdisjoint(ids)
    assert VOCABULARY.decode(ids) == text


@given(hostile, harmless)
def test_only_the_templates_own_control_tokens_count(inside: str, around: str) -> None:
    guarded, markers = VOCABULARY.guard(inside)

    ids = VOCABULARY.encode_rendered(f"<|user|>{around}{guarded}<|end|>", markers)

    assert [token for token in ids if token in SPECIAL_IDS] == [2, 1]
    assert VOCABULARY.decode(ids) == around + inside


@given(hostile, hostile, st.sampled_from(["", " ", "\n"]))
def test_two_texts_side_by_side_cannot_make_a_control_token(left: str, right: str, blank: str) -> None:
    (a, of_a), (b, of_b) = VOCABULARY.guard(left + blank), VOCABULARY.guard(blank + right)

    ids = VOCABULARY.encode_rendered(a.strip() + b.strip(), of_a | of_b)

    assert SPECIAL_IDS.isdisjoint(ids)


@given(st.text(alphabet="abc é漢🎉\n", max_size=40))
def test_a_guard_leaves_harmless_text_as_it_is(text: str) -> None:
    assert VOCABULARY.guard(text) == (text, {})
