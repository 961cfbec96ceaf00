"""Outputs that follow a JSON Schema: whole values only, whatever is drawn, for the tokenizers that models come with."""

import json
import random
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer

from node.dev import starter
from serving.errors import InvalidRequest
from serving.prompts.vocabulary import Vocabulary
from serving.sampling import grammar
from serving.sampling.grammar import Grammars, JsonMatcher
from serving.types import TokenText
from tests.serving.tiny import tokenizer


class Visit(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(max_length=6)]
    state: Literal["well", "ill", "naïve"]
    ages: Annotated[list[Annotated[int, Field(ge=0, le=120)]], Field(max_length=3)]
    note: Annotated[str, Field(max_length=4)] | None


SCHEMA = json.dumps(Visit.model_json_schema())
ANYTHING = json.dumps({"type": "object"})


def sentencepiece_like() -> Vocabulary:
    """Words begin with U+2581, bytes that have no piece are spelled <0x..>, and some texts have two tokens."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += ["▁", *map(chr, range(33, 127)), "▁the", '":', '",', "▁name", "name", "we", "ll"]
    merges = [("w", "e"), ("l", "l"), ('"', ":"), ('"', ",")]
    made = Tokenizer(
        models.BPE({piece: i for i, piece in enumerate(pieces)}, merges, unk_token="<unk>", byte_fallback=True)
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made.add_special_tokens([AddedToken(name, special=True) for name in ("<unk>", "<s>", "</s>")])
    return Vocabulary(made, None, {})


VOCABULARIES = {
    "byte level": (Vocabulary.of(tokenizer()), 1),
    "sentencepiece": (sentencepiece_like(), 2),
    "the starter pack": (Vocabulary.of(AutoTokenizer.from_pretrained(starter.pack().base)), 0),
}


@pytest.fixture(params=VOCABULARIES)
async def grammars(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Grammars, Vocabulary, int]]:
    vocabulary, end = VOCABULARIES[request.param]
    made = Grammars(vocabulary, frozenset({end}))
    yield made, vocabulary, end
    made.close()


def choices(matcher: JsonMatcher) -> list[int]:
    return [int(token) for token in matcher.allowed().nonzero()[:, 0]]


def is_whole(content: bytes, model: type[BaseModel]) -> bool:
    try:
        model.model_validate_json(content)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_is_drawn_the_output_is_valid(grammars: tuple[Grammars, Vocabulary, int], seed: int) -> None:
    compiler, vocabulary, end = grammars
    matcher = (await compiler.compile(SCHEMA)).matcher()
    rng, content, complete = random.Random(seed), b"", False

    for _ in range(500):
        allowed = choices(matcher)
        assert (end in allowed) == is_whole(content, Visit)
        token = rng.choice(allowed)
        content += vocabulary.token_text(token).content
        if complete := matcher.advance(token):
            break

    assert complete
    assert is_whole(content, Visit), content


async def test_the_model_s_usual_tokens_are_allowed_for_a_fixed_text(
    grammars: tuple[Grammars, Vocabulary, int],
) -> None:
    compiler, vocabulary, _ = grammars
    matcher = (await compiler.compile(json.dumps({"enum": ["well", "the 100 %"]}))).matcher()
    content = b""

    while not content.endswith(b'the 100 %"'):
        allowed = choices(matcher)
        spelled = b'"the 100 %"'
        fitting = [t for t in allowed if spelled.startswith(content + vocabulary.token_text(t).content)]
        content += vocabulary.token_text(fitting[0]).content
        matcher.advance(fitting[0])

    assert json.loads(content) == "the 100 %"


async def test_a_number_may_end_or_go_on(grammars: tuple[Grammars, Vocabulary, int]) -> None:
    compiler, vocabulary, end = grammars
    matcher = (await compiler.compile(json.dumps({"type": "integer"}))).matcher()
    (one,) = [t for t in choices(matcher) if vocabulary.token_text(t).content == b"1"][:1]

    assert end not in choices(matcher)
    assert not matcher.advance(one)
    assert end in choices(matcher)
    assert len(choices(matcher)) > 1


async def test_tokens_that_show_no_text_and_ids_without_a_token_are_never_part_of_a_value(
    grammars: tuple[Grammars, Vocabulary, int],
) -> None:
    compiler, vocabulary, _ = grammars
    matcher = (await compiler.compile(json.dumps({"type": "string"}))).matcher()
    matcher.advance(next(t for t in choices(matcher) if vocabulary.token_text(t).content == b'"'))

    texts = [vocabulary.token_text(token) for token in choices(matcher)]

    assert len(texts) > 100
    assert all(text.visible and text.content for text in texts)


async def test_matchers_of_one_grammar_do_not_meet(grammars: tuple[Grammars, Vocabulary, int]) -> None:
    compiler, _, _ = grammars
    compiled = await compiler.compile(SCHEMA)
    first, other = compiled.matcher(), compiled.matcher()
    before = choices(other)

    for _ in range(5):
        first.advance(choices(first)[0])

    assert choices(other) == before == choices(compiled.matcher())


async def test_a_token_that_may_not_follow_is_an_error_and_leaves_nothing(
    grammars: tuple[Grammars, Vocabulary, int],
) -> None:
    compiler, vocabulary, _ = grammars
    matcher = (await compiler.compile(ANYTHING)).matcher()

    complete = matcher.advance(vocabulary.spell("x")[-1])

    assert not complete
    assert choices(matcher) == []
    assert matcher.error is not None
    assert "grammar" in matcher.error


REFUSED = {
    "not JSON": "{",
    "no object": "5",
    "an unknown type": '{"type": "thing"}',
    "an unknown keyword's meaning": '{"type": "array", "uniqueItems": true}',
    "something elsewhere": '{"$ref": "https://example.org/schema.json"}',
    "nothing at all": '{"type": "object", "properties": {"a": false}, "required": ["a"]}',
    "a pattern with look-ahead": '{"type": "string", "pattern": "(?=a)b"}',
    "one of several": '{"oneOf": [{"type": "object"}, {"type": "object"}]}',
    "a huge text": json.dumps({"type": "string", "enum": ["x" * grammar.MAX_SCHEMA_BYTES]}),
    "a prime divisor": '{"type": "integer", "multipleOf": 99999989}',
    "a fraction's divisor": '{"allOf": [{"type": "number", "multipleOf": 1.234567}]}',
    "divisors that meet": '{"allOf": [{"multipleOf": 9973}, {"multipleOf": 9967, "type": "integer"}]}',
    "an endless intersection": json.dumps(
        {"allOf": [{"type": "string", "pattern": f".*{c}.{{20}}"} for c in "abcdefghijklm"]}
    ),
    "a depth without end": '{"items":' * 300 + "{}" + "}" * 300,
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_schema_that_cannot_be_followed_is_refused_with_its_reason(what: str) -> None:
    compiler = Grammars(VOCABULARIES["byte level"][0], frozenset({1}))

    with pytest.raises(InvalidRequest) as refused:
        await compiler.compile(REFUSED[what])

    assert refused.value.param == "response_format"
    assert 20 < len(str(refused.value)) < 600


async def test_a_model_without_an_end_token_ends_with_the_value() -> None:
    vocabulary = VOCABULARIES["byte level"][0]
    matcher = (await Grammars(vocabulary, frozenset()).compile(json.dumps({"const": True}))).matcher()
    content, complete = "", False

    while not complete:
        token = choices(matcher)[0]
        content += vocabulary.decode([token])
        complete = matcher.advance(token)

    assert content == "true"


class Unspellable(Vocabulary):
    """A vocabulary with a bug of ours in it."""

    def token_text(self, token: int) -> TokenText:
        raise KeyError("a bug of ours")


async def test_an_error_of_ours_is_not_the_client_s() -> None:
    compiler = Grammars(Unspellable.of(tokenizer()), frozenset({1}))

    with pytest.raises(KeyError):
        await compiler.compile(ANYTHING)


class Panic(BaseException):
    """What a panic in the library is to Python."""


class Broken:
    """A matcher of the library that fails in one of its methods."""

    def __init__(self, method: str) -> None:
        self._method = method

    def consume_token(self, token: int) -> None:
        self._called("consume_token")

    def compute_bitmask(self) -> bytes:
        self._called("compute_bitmask")
        return b"\xff" * 64

    def is_stopped(self) -> bool:
        return False

    def is_error(self) -> bool:
        return False

    def _called(self, method: str) -> None:
        if method == self._method:
            raise Panic("index out of bounds")


@pytest.mark.parametrize("method", ["consume_token", "compute_bitmask"])
def test_a_panic_of_the_library_fails_its_output_and_is_logged(method: str, caplog: pytest.LogCaptureFixture) -> None:
    with ThreadPoolExecutor(1) as pool:
        matcher = JsonMatcher(Broken(method), 300, pool)  # type: ignore[arg-type]

        assert not matcher.advance(5)

        assert not matcher.allowed().any()
    assert matcher.error is not None
    assert "grammar failed" in matcher.error
    assert "index out of bounds" not in matcher.error
    assert "index out of bounds" in caplog.text


@pytest.mark.parametrize(
    "schema",
    [
        '{"type": "number", "multipleOf": 1e9999999999999999999}',
        "[" * 100_000,
        '{"type": "integer", "multipleOf": ' + "9" * 5_000 + "}",
        '{"allOf": [{"multipleOf": 0}, {"type": "integer", "multipleOf": 99999989}]}',
    ],
)
async def test_numbers_and_depths_that_python_cannot_hold_are_the_client_s(schema: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await Grammars(VOCABULARIES["byte level"][0], frozenset({1})).compile(schema)

    assert refused.value.param == "response_format"
