"""JSON of strangers: to the letter of RFC 8259, with an error that says where, and in linear time for any bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.adapters.strict_json import InvalidJson, parse_object

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4), st.booleans())
def test_what_json_writes_is_read_back(value: dict[str, Any], ascii_only: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")

    assert parse_object(raw, max_depth=64) == value


INVALID = {
    "empty": (b"", "empty"),
    "blank": (b" \n ", "empty"),
    "not UTF-8": (b'{"a": "\xff"}', "not valid UTF-8: byte 0xff at offset 7"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "not valid UTF-8"),
    "a list": (b"[1]", "not a JSON object"),
    "a string": (b'"x"', "not a JSON object"),
    "cut short": (b'{"a": 1,\n "b": [2', "line 2, column 9"),
    "a trailing comma": (b'{"a": 1,}', "line 1"),
    "two values": (b"{} {}", "Extra data at line 1"),
    "NaN": (b'{"a": NaN}', "NaN is not a JSON number"),
    "Infinity": (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
    "beyond a double": (b'{"a": 1e400}', "number 1e400 is too large"),
    "a huge integer": (b'{"a": ' + b"9" * 100_000 + b"}", "of 100000 digits is too large"),
    "a key twice": (b'{"r": 1, "r": 2}', "key 'r' occurs twice"),
    "a key twice, escaped": (b'{"r": 1, "\\u0072": 2}', "key 'r' occurs twice"),
    "a key twice, nested": (b'{"a": [{"b": 1, "b": 1}]}', "key 'b' occurs twice"),
    "half of a surrogate pair": (b'{"a": "\\ud800"}', "half of a surrogate pair"),
    "half of one in a key": (b'{"\\uDFFF": 1}', "half of a surrogate pair"),
    "deep lists": (b'{"a": ' + b"[" * 17 + b"]" * 17 + b"}", "nested more than 16 deep"),
    "deep objects": (b'{"a": ' * 17 + b"1" + b"}" * 17, "nested more than 16 deep"),
    "a hundred thousand brackets": (b"[" * 100_000, "nested more than 16 deep"),
    "brackets beside brackets, deep": (b'{"a": [[], ' + b"[" * 16 + b"]" * 16 + b"]}", "nested more than 16 deep"),
}


@pytest.mark.parametrize(("raw", "reason"), INVALID.values(), ids=INVALID.keys())
def test_anything_else_is_refused_with_what_is_wrong_and_where(raw: bytes, reason: str) -> None:
    with pytest.raises(InvalidJson) as refusal:
        parse_object(raw)

    assert reason in str(refusal.value)


def test_the_allowed_depth_is_allowed_however_many_brackets_there_are() -> None:
    raw = b'{"a": [' + b",".join([b"[" * 14 + b"]" * 14] * 50) + b"]}"

    assert len(parse_object(raw)["a"]) == 50


def test_brackets_inside_strings_do_not_nest() -> None:
    assert parse_object(json.dumps({"[" * 50: '{"\\[' * 50}).encode()) == {"[" * 50: '{"\\[' * 50}


@pytest.mark.parametrize("unit", [b'\\"', b'"', b"\\", b'"[', b'{"', b"[]", b"{}", b'"\\u0000"'])
def test_no_bytes_of_a_megabyte_take_long(unit: bytes) -> None:
    """A quadratic scan of any of these takes hours, so the test's own limit of time would end it."""
    with pytest.raises(InvalidJson):
        parse_object(b'{"a": "' + unit * ((1 << 20) // len(unit)))


def test_a_surrogate_pair_is_one_character() -> None:
    assert parse_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_a_byte_order_mark_is_skipped() -> None:
    assert parse_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
