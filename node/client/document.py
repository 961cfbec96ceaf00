"""Reading a node's JSON by name: a member that is missing or wrong is named in the error."""

import re
from collections.abc import Mapping
from datetime import datetime

from contracts.crypto import Address, Bytes32, to_address
from contracts.eip712 import parse_bytes32

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,77}")


class Malformed(ValueError):
    """A member is missing or has another form; the message names it."""


class Document:
    """A JSON object whose members are read as values. Members nobody asks for are left alone."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise Malformed("expected a JSON object")
        self.members: Mapping[str, object] = value

    def has(self, name: str) -> bool:
        return self.members.get(name) is not None

    def text(self, name: str) -> str:
        value = self.members.get(name)
        if not isinstance(value, str):
            raise Malformed(f"{name} must be a string")
        return value

    def amount(self, name: str) -> int:
        """A non-negative integer: a decimal string, as amounts are sent, or a JSON number."""
        value = self.members.get(name)
        if isinstance(value, str) and _DECIMAL.fullmatch(value):
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        raise Malformed(f"{name} must be a decimal string")

    def time(self, name: str) -> float:
        """RFC 3339, as unix seconds."""
        try:
            moment = datetime.fromisoformat(self.text(name))
        except ValueError as error:
            raise Malformed(f"{name} must be an RFC 3339 time") from error
        if moment.tzinfo is None:
            raise Malformed(f"{name} must carry a time zone")
        return moment.timestamp()

    def address(self, name: str) -> Address:
        try:
            return to_address(self.text(name))
        except ValueError as error:
            raise Malformed(f"{name}: {error}") from error

    def bytes32(self, name: str) -> Bytes32:
        try:
            return parse_bytes32(self.text(name))
        except ValueError as error:
            raise Malformed(f"{name}: {error}") from error

    def raw(self, name: str) -> bytes:
        """Bytes from 0x hex."""
        text = self.text(name)
        if not re.fullmatch(r"0x(?:[0-9a-fA-F]{2})*", text):
            raise Malformed(f"{name} must be 0x and hex digits")
        return bytes.fromhex(text[2:])

    def object(self, name: str) -> "Document":
        value = self.members.get(name)
        if not isinstance(value, dict):
            raise Malformed(f"{name} must be a JSON object")
        return Document(value)

    def objects(self, name: str) -> list["Document"]:
        value = self.members.get(name)
        if not isinstance(value, list):
            raise Malformed(f"{name} must be a list")
        return [Document(item) for item in value]
