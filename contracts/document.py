"""Reading a stranger's JSON object by member name: every error carries the path of the member it is about."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import TypeVar

from contracts.crypto import Address, Bytes32, to_address
from contracts.eip712 import Struct, StructError, parse_bytes32, parse_uint
from contracts.encoding import from_hex

_S = TypeVar("_S", bound=Struct)
Refusal = Callable[[str, str], Exception]
"""Makes the error to raise from a member's path and what is wrong with it: "is missing", "must be a string"."""


MAX_NESTING = 200
"""How deep the JSON of strangers may be nested."""
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_OTHER_THAN_BRACKETS = re.compile(r"[^\[\]{}]+")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


def parse_json(text: str | bytes) -> object:
    """The value of a JSON text; ValueError if it is no JSON, or nested deeper than MAX_NESTING.

    Python's parser relies on the recursion limit. Some libraries raise that limit when they are imported (py_ecc to
    100,000); a deeply nested text then overflows the C stack. So the nesting is measured first.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text))
    if text.count("[") + text.count("{") > MAX_NESTING and _nesting(text) > MAX_NESTING:
        raise ValueError(f"the JSON is nested deeper than {MAX_NESTING} levels")
    value: object = json.loads(text)
    return value


def _nesting(text: str) -> int:
    """The deepest nesting of brackets outside strings."""
    brackets = _OTHER_THAN_BRACKETS.sub("", _STRING.sub("", text))
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object. `path` is where it was found, "" for a document of its own.

    `refusal` decides which error a wrong member raises, so that the payer's and the node's errors keep their classes.
    Members that nobody reads are ignored.
    """

    members: Mapping[str, object]
    path: str
    refusal: Refusal

    @classmethod
    def of(cls, value: object, path: str, refusal: Refusal) -> "Document":
        """The document in `value`; raises `refusal` if it is no JSON object."""
        if not isinstance(value, dict):
            raise refusal(path or "the document", "must be a JSON object")
        return cls(value, path, refusal)

    def __contains__(self, name: str) -> bool:
        """Whether the member is there and not null."""
        return self.members.get(name) is not None

    def wrong(self, name: str, problem: str) -> Exception:
        """The error that says what is wrong with a member."""
        return self.refusal(self._path_of(name), problem)

    def value(self, name: str) -> object:
        """A member of any form."""
        if name not in self:
            raise self.wrong(name, "is missing")
        return self.members[name]

    def nested(self, name: str) -> "Document":
        """A member that is a JSON object."""
        return Document.of(self.value(name), self._path_of(name), self.refusal)

    def nested_list(self, name: str) -> list["Document"]:
        """A member that is a list of JSON objects."""
        values = self.value(name)
        if not isinstance(values, list):
            raise self.wrong(name, "must be a list")
        return [Document.of(value, f"{self._path_of(name)}[{i}]", self.refusal) for i, value in enumerate(values)]

    def text(self, name: str) -> str:
        """A string."""
        value = self.value(name)
        if not isinstance(value, str):
            raise self.wrong(name, "must be a string")
        return value

    def uint(self, name: str, bits: int = 256) -> int:
        """An unsigned integer: a decimal string, as amounts are sent, or a JSON number, as some x402 clients write."""
        try:
            return parse_uint(self.value(name), bits)
        except StructError as error:
            raise self.wrong(name, str(error)) from error

    def time(self, name: str) -> float:
        """An RFC 3339 time, as unix seconds."""
        try:
            moment = datetime.fromisoformat(self.text(name))
        except ValueError as error:
            raise self.wrong(name, "must be an RFC 3339 time") from error
        if moment.tzinfo is None:
            raise self.wrong(name, "must carry a time zone")
        return moment.timestamp()

    def address(self, name: str) -> Address:
        """An account address; a mixed-case one must carry its EIP-55 checksum."""
        text = self.text(name)
        try:
            return to_address(text)
        except ValueError as error:
            raise self.wrong(name, str(error)[:160]) from error

    def bytes32(self, name: str) -> Bytes32:
        """32 bytes from 0x hex."""
        text = self.text(name)
        try:
            return parse_bytes32(text)
        except StructError as error:
            raise self.wrong(name, str(error)) from error

    def raw_bytes(self, name: str) -> bytes:
        """Bytes of any length from 0x hex."""
        text = self.text(name)
        try:
            return from_hex(text)
        except ValueError as error:
            raise self.wrong(name, "must be 0x and hex digits") from error

    def struct(self, name: str, kind: type[_S]) -> _S:
        """A signed struct in its JSON form."""
        value = self.value(name)
        try:
            return kind.from_json(value)
        except StructError as error:
            raise self.wrong(name, str(error)[:200]) from error

    def only(self, *names: str) -> None:
        """Refuses members that are not named."""
        unknown = sorted(set(self.members) - set(names))
        if unknown:
            raise self.wrong(unknown[0][:64], "is not a known member")

    def _path_of(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name
