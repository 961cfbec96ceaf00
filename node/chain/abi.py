"""Encodes calls and decodes results and events of the compiled contracts."""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.abi import collapse_if_tuple

from contracts.artifacts import load
from contracts.crypto import Bytes32, keccak
from node.chain.client import Log
from node.chain.errors import UnexpectedAnswer


@dataclass(frozen=True, slots=True)
class Function:
    """One function of a contract."""

    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def encode(self, *args: Any) -> bytes:
        """The call data: selector and arguments."""
        return self.selector + encode(self.inputs, args)

    def arguments(self, data: bytes) -> tuple[Any, ...] | None:
        """The arguments of call data; None unless these are exactly the bytes that `encode` gives for them."""
        try:
            arguments = decode(self.inputs, data[4:])
            return arguments if self.encode(*arguments) == data else None
        except (DecodingError, EncodingError):
            return None

    def decode(self, returned: bytes) -> tuple[Any, ...]:
        """The returned values. Raises UnexpectedAnswer if the bytes do not decode as the declared types."""
        try:
            return decode(self.outputs, returned)
        except DecodingError as error:
            raise UnexpectedAnswer(f"{len(returned)} bytes do not decode as {self.outputs}") from error


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a contract. topic: its first topic on the chain; members: (name, type, indexed) of each."""

    name: str
    topic: Bytes32
    members: tuple[tuple[str, str, bool], ...]

    def decode(self, log: Log) -> dict[str, Any]:
        """The event's values by name. Raises UnexpectedAnswer if the log does not decode."""
        try:
            topics = zip(self._kinds(indexed=True), log.topics[1:], strict=True)
            indexed = [decode([kind], topic)[0] for kind, topic in topics]
            plain = decode(self._kinds(indexed=False), log.data)
        except (DecodingError, ValueError) as error:
            raise UnexpectedAnswer(f"a log of {log.address} does not decode as {self.name}") from error
        values = {True: iter(indexed), False: iter(plain)}
        return {name: next(values[is_indexed]) for name, _, is_indexed in self.members}

    def _kinds(self, *, indexed: bool) -> list[str]:
        return [kind for _, kind, is_indexed in self.members if is_indexed is indexed]


@dataclass(frozen=True, slots=True)
class Abi:
    """Functions and events by name, errors by selector. An overloaded function has its signature for a name."""

    functions: dict[str, Function]
    events: dict[str, Event]
    errors: dict[bytes, tuple[str, tuple[str, ...]]]


@cache
def abi_of(contract: str) -> Abi:
    """The ABI of a compiled contract."""
    entries = load(contract).abi
    defined = [entry for entry in entries if entry["type"] == "function"]
    count = Counter(entry["name"] for entry in defined)
    return Abi(
        functions={
            entry["name"] if count[entry["name"]] == 1 else _signature(entry): Function(
                _digest(entry)[:4], _types(entry["inputs"]), _types(entry["outputs"])
            )
            for entry in defined
        },
        events={entry["name"]: _event(entry) for entry in entries if entry["type"] == "event"},
        errors={
            _digest(entry)[:4]: (entry["name"], _types(entry["inputs"]))
            for entry in entries
            if entry["type"] == "error"
        },
    )


def _event(entry: dict[str, Any]) -> Event:
    members = tuple((part["name"], collapse_if_tuple(part), part["indexed"]) for part in entry["inputs"])
    return Event(entry["name"], _digest(entry), members)


def _digest(entry: dict[str, Any]) -> Bytes32:
    return keccak(_signature(entry).encode())


def _signature(entry: dict[str, Any]) -> str:
    return f"{entry['name']}({','.join(_types(entry['inputs']))})"


def _types(parameters: list[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(map(collapse_if_tuple, parameters))
