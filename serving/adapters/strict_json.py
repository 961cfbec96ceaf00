"""JSON that a stranger wrote: RFC 8259 to the letter, bounded before it is parsed, because parsing holds the GIL."""

import json
import math
import re
from typing import Any

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_MAX_NUMBER_CHARS = 40
_BOM = b"\xef\xbb\xbf"


class InvalidJson(ValueError):
    """Bytes that are not strict JSON. The message says what is wrong and where."""


def parse_object(raw: bytes, *, max_depth: int = 16) -> dict[str, Any]:
    """The JSON object in `raw`. The caller bounds its bytes.

    Raises InvalidJson: not UTF-8, a syntax error, no object at the top, nested deeper than `max_depth`, a key that
    occurs twice in one object, half of a surrogate pair, or a number that is no finite double (NaN, Infinity, 1e400).
    """
    if not raw.strip():
        raise InvalidJson("it is empty")
    try:
        text = raw.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidJson(f"not valid UTF-8: byte {raw[error.start]:#04x} at offset {error.start}") from error
    if _is_deeper(raw, max_depth):
        raise InvalidJson(f"not valid JSON: objects and arrays are nested more than {max_depth} deep")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except InvalidJson as error:
        raise InvalidJson(f"not valid JSON: {error}") from None
    except json.JSONDecodeError as error:
        raise InvalidJson(f"not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    if not isinstance(value, dict):
        raise InvalidJson("not a JSON object")
    if _SURROGATE.search(text) and not _is_unicode(value):
        raise InvalidJson("not valid JSON: a string holds half of a surrogate pair")
    return value


def _is_deeper(raw: bytes, max_depth: int) -> bool:
    """Whether brackets outside strings nest more than `max_depth` deep. Takes linear time for any bytes.

    Each pass removes the innermost pairs, so `max_depth` passes leave nothing of valid JSON. A few unmatched brackets
    are left to the parser, which says where they are.
    """
    brackets = _STRING.sub(b"", raw).translate(_ONE_KIND, _NO_BRACKETS)
    for _ in range(max_depth):
        brackets = brackets.replace(b"[]", b"")
    return b"[]" in brackets or brackets.count(b"[") > max_depth


def _is_unicode(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InvalidJson(f"the key {twice!r:.100} occurs twice")
    return fields


def _refuse_constant(text: str) -> float:
    raise InvalidJson(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidJson(f"the number {text:.40} is too large")
    return value


def _integer(text: str) -> int:
    if len(text) > _MAX_NUMBER_CHARS:
        raise InvalidJson(f"the number {text[:20]}… of {len(text)} digits is too large")
    return int(text)
