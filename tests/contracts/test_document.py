"""A stranger's JSON is read by name, and each complaint carries the path of the member it is about."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.crypto import Bytes32, PrivateKey, keccak
from contracts.document import MAX_NESTING, Document, parse_json
from contracts.x402 import Voucher

ADDRESS = PrivateKey(keccak(b"somebody")).address
VOUCHER = Voucher(keccak(b"channel"), 7)


class WrongMember(Exception):
    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} {problem}")
        self.path, self.problem = path, problem


def document(**members: object) -> Document:
    return Document.of(members, "body", WrongMember)


def test_members_are_read_as_values() -> None:
    read = document(
        text="a", dec="12", number=12, at="2026-01-01T00:00:00Z", who=ADDRESS, word="0x" + "ab" * 32, raw="0xAB00",
        struct=VOUCHER.to_json(), inner={"x": "1"}, items=[{"x": "2"}, {"x": "3"}],
    )  # fmt: skip

    assert read.text("text") == "a"
    assert (read.uint("dec"), read.uint("number")) == (12, 12)
    assert read.time("at") == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert read.address("who") == ADDRESS
    assert read.bytes32("word") == Bytes32(b"\xab" * 32)
    assert read.raw_bytes("raw") == b"\xab\x00"
    assert read.struct("struct", Voucher) == VOUCHER
    assert read.nested("inner").uint("x") == 1
    assert [item.uint("x") for item in read.nested_list("items")] == [2, 3]


@pytest.mark.parametrize(
    ("read", "value", "problem"),
    [
        (lambda d: d.text("x"), 5, "must be a string"),
        (lambda d: d.uint("x", 8), "256", "256 does not fit uint8"),
        (lambda d: d.uint("x"), str(1 << 256), "does not fit uint256"),
        (lambda d: d.uint("x"), "9" * 90, "expected a decimal string"),
        (lambda d: d.uint("x"), "07", "expected a decimal string"),
        (lambda d: d.uint("x"), -1, "expected a decimal string"),
        (lambda d: d.uint("x"), True, "expected a decimal string"),
        (lambda d: d.uint("x"), 1.0, "expected a decimal string"),
        (lambda d: d.time("x"), "yesterday", "must be an RFC 3339 time"),
        (lambda d: d.time("x"), "2026-01-01T00:00:00", "must carry a time zone"),
        (lambda d: d.address("x"), "0x12", "not an address"),
        (lambda d: d.bytes32("x"), "0x12", "64 hex digits"),
        (lambda d: d.raw_bytes("x"), "0x123", "must be 0x and hex digits"),
        (lambda d: d.struct("x", Voucher), {}, "Voucher lacks channelId"),
        (lambda d: d.nested("x"), [], "must be a JSON object"),
        (lambda d: d.nested_list("x"), {}, "must be a list"),
    ],
)  # fmt: skip
def test_a_member_of_another_form_is_named(read: object, value: object, problem: str) -> None:
    assert callable(read)

    with pytest.raises(WrongMember, match=problem) as wrong:
        read(document(x=value))
    with pytest.raises(WrongMember, match="is missing"):
        read(document())

    assert wrong.value.path == "body.x"


def test_paths_lead_through_objects_and_lists() -> None:
    read = document(a={"b": [{}, {"c": 5}]})

    with pytest.raises(WrongMember) as wrong:
        read.nested("a").nested_list("b")[1].text("c")

    assert wrong.value.path == "body.a.b[1].c"


def test_a_document_of_its_own_has_no_path() -> None:
    with pytest.raises(WrongMember) as wrong:
        Document.of({}, "", WrongMember).text("name")

    assert wrong.value.path == "name"


@pytest.mark.parametrize("value", [None, [], "text", 5])
def test_only_objects_are_documents(value: object) -> None:
    with pytest.raises(WrongMember, match="the document must be a JSON object"):
        Document.of(value, "", WrongMember)


def test_a_member_that_nobody_knows_is_refused_on_request() -> None:
    document(a=1, b=2).only("a", "b", "c")

    with pytest.raises(WrongMember, match=r"body\.b is not a known member"):
        document(a=1, b=2).only("a")


def test_null_is_the_same_as_missing() -> None:
    read = document(a=None)

    assert "a" not in read
    with pytest.raises(WrongMember, match="is missing"):
        read.text("a")


@given(st.integers(0, 2**256 - 1))
def test_every_uint256_comes_back(value: int) -> None:
    assert document(x=str(value)).uint("x") == document(x=value).uint("x") == value


def test_json_is_read_from_text_and_bytes() -> None:
    assert parse_json('{"a": [1, "ü"]}') == parse_json('{"a": [1, "ü"]}'.encode()) == {"a": [1, "ü"]}


@pytest.mark.parametrize("text", ["", "{", b"\xff", "9" * 5_000, '{"a": "' + "[" * 5_000])
def test_what_cannot_be_read_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_json(text)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":', '["[",'])
def test_json_that_is_nested_too_deeply_is_refused_whatever_the_recursion_limit(opening: str) -> None:
    code = (
        "import sys; sys.setrecursionlimit(100_000)\n"
        "from contracts.document import parse_json\n"
        "try: parse_json(sys.argv[1] * 20_000)\n"
        "except ValueError as error: print(error)"
    )

    done = subprocess.run([sys.executable, "-c", code, opening], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, f"the JSON is nested deeper than {MAX_NESTING} levels\n")


def test_the_deepest_allowed_json_and_wide_json_are_read() -> None:
    deep: object = "x"
    for _ in range(MAX_NESTING):
        deep = [deep]
    wide = [{"[": "]{"}, '\\"[['] * 1_000

    assert parse_json(json.dumps(deep)) == deep
    assert parse_json(json.dumps(wide)) == wide
    with pytest.raises(ValueError, match="nested deeper"):
        parse_json(json.dumps([deep]))


@given(st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_other_json_is_read_as_python_reads_it(value: object) -> None:
    text = json.dumps([value] * 300)

    assert parse_json(text) == json.loads(text)
