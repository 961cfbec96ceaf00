"""Reading a stranger's JSON by name: every complaint carries the path of the member it is about."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import TypeVar

from contracts.crypto import Address, Bytes32, to_address
from contracts.eip712 import Struct, StructError, parse_bytes32
from node.payments.errors import PaymentInvalid

MAX_HEADER_BYTES = 8192
MAX_SIGNATURE_BYTES = 65

_S = TypeVar("_S", bound=Struct)
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,77}")
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object found at `path`."""

    path: str
    members: dict[str, object]

    @classmethod
    def from_header(cls, name: str, value: str) -> "Document":
        """The object in a base64 JSON header."""
        if len(value) > MAX_HEADER_BYTES:
            raise PaymentInvalid(name, f"is larger than {MAX_HEADER_BYTES} bytes")
        try:
            raw = base64.b64decode(value.encode("ascii"), validate=True)
        except (binascii.Error, ValueError) as error:
            raise PaymentInvalid(name, "is not base64") from error
        try:
            found = json.loads(raw, object_pairs_hook=_unique, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise PaymentInvalid(name, f"does not hold JSON: {str(error)[:120]}") from error
        return cls.of(name, found)

    @classmethod
    def of(cls, path: str, value: object) -> "Document":
        if not isinstance(value, dict):
            raise PaymentInvalid(path, "must be a JSON object")
        return cls(path, value)

    def __contains__(self, name: str) -> bool:
        return self.members.get(name) is not None

    def nested(self, name: str) -> "Document":
        return Document.of(self._at(name), self._member(name))

    def text(self, name: str) -> str:
        value = self._member(name)
        if not isinstance(value, str):
            raise PaymentInvalid(self._at(name), "must be a string")
        return value

    def uint(self, name: str, bits: int) -> int:
        """A decimal string, or a JSON integer as some x402 clients send it."""
        value = self._member(name)
        if isinstance(value, str) and _DECIMAL.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise PaymentInvalid(self._at(name), "must be a decimal string")
        if not 0 <= value < 1 << bits:
            raise PaymentInvalid(self._at(name), f"does not fit uint{bits}")
        return value

    def salt(self, name: str) -> int:
        """A uint256 that x402 clients write as 0x hex or as decimal."""
        value = self._member(name)
        if isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]{1,64}", value):
            return int(value, 16)
        return self.uint(name, 256)

    def address(self, name: str) -> Address:
        try:
            return to_address(self.text(name))
        except ValueError as error:
            raise PaymentInvalid(self._at(name), str(error)[:160]) from error

    def bytes32(self, name: str) -> Bytes32:
        try:
            return parse_bytes32(self.text(name))
        except StructError as error:
            raise PaymentInvalid(self._at(name), str(error)) from error

    def signature(self, name: str) -> bytes:
        """65 bytes of r ‖ s ‖ v; whether they are a signature is for the caller to find out."""
        value = self.text(name)
        if not _HEX.fullmatch(value):
            raise PaymentInvalid(self._at(name), "must be 0x and hex digits")
        if len(value) != 2 + 2 * MAX_SIGNATURE_BYTES:
            raise PaymentInvalid(self._at(name), "must be 65 bytes; contract signatures are not accepted here")
        return bytes.fromhex(value[2:])

    def struct(self, name: str, kind: type[_S]) -> _S:
        try:
            return kind.from_json(self._member(name))
        except StructError as error:
            raise PaymentInvalid(self._at(name), str(error)[:200]) from error

    def only(self, *names: str) -> None:
        """Refuses members that are not named."""
        unknown = sorted(set(self.members) - set(names))
        if unknown:
            raise PaymentInvalid(self._at(unknown[0][:64]), "is not a known member")

    def _member(self, name: str) -> object:
        if name not in self:
            raise PaymentInvalid(self._at(name), "is missing")
        return self.members[name]

    def _at(self, name: str) -> str:
        return f"{self.path}.{name}"


def to_header(document: object) -> str:
    """Base64 of compact JSON, as x402 v2 headers carry it."""
    return base64.b64encode(json.dumps(document, separators=(",", ":")).encode()).decode()


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
