"""Typed structured data (EIP-712): encoding, hashing and JSON of structs that are defined by their type string.

A struct's `TYPE` string is its definition: field order, Solidity types and JSON names are read from it, so the encoding
always agrees with what wallets show.
"""

import keyword
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from typing import Any, ClassVar, Self, TypeVar, get_args, get_type_hints

from contracts.crypto import Address, Bytes32, address_bytes, keccak, to_address, to_bytes32
from contracts.encoding import to_hex

_T = TypeVar("_T")
_WORD = re.compile(r"0x[0-9a-fA-F]{64}")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,77}")  # 78 digits hold every uint256


class StructError(ValueError):
    """A value does not fit its struct: a missing or unknown field, a wrong type, or a number out of range."""


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a struct: its Python name, its JSON and Solidity name, and its Solidity type."""

    name: str
    json_name: str
    kind: str

    @property
    def bits(self) -> int:
        """The width of a `uintN` field."""
        return _bits(self.kind)


@cache
def _bits(kind: str) -> int:
    return int(kind.removeprefix("uint"))


class Struct:
    """Base of all EIP-712 structs here. Subclasses are frozen dataclasses that define `TYPE`."""

    __slots__ = ()
    TYPE: ClassVar[str]

    def struct_hash(self) -> Bytes32:
        """hashStruct(s) = keccak256(typeHash ‖ encodeData(s)), EIP-712."""
        words: list[bytes] = [type_hash(type(self))]
        words += [encode(getattr(self, name)) for name, encode in _encoders(type(self))]
        return keccak(b"".join(words))

    def remembered_hash(self) -> Bytes32:
        """`struct_hash`, computed once for equal values: for what many receipts refer to, such as a price list."""
        return _remembered_hash(self)

    def digest(self, domain: "Domain") -> Bytes32:
        """The 32 bytes that a wallet signs: keccak256(0x1901 ‖ domainSeparator ‖ hashStruct(s)), EIP-712."""
        return keccak(b"\x19\x01" + domain.separator() + self.struct_hash())

    def abi_tuple(self) -> tuple[Any, ...]:
        """The values in declaration order, as web3 takes a Solidity struct argument."""
        values = (getattr(self, field.name) for field in layout(type(self)))
        return tuple([x.abi_tuple() for x in v] if isinstance(v, tuple) else v for v in values)

    @classmethod
    def from_abi(cls, values: Any) -> Self:
        """The struct from the tuple that web3 returns for it."""
        made: dict[str, Any] = {}
        for field, value in zip(layout(cls), values, strict=True):
            if field.kind.endswith("[]"):
                made[field.name] = tuple(element_type(cls, field.name).from_abi(item) for item in value)
            elif field.kind == "address":
                made[field.name] = to_address(value)
            else:
                made[field.name] = bytes(value) if field.kind == "bytes32" else value
        return cls(**made)

    def to_json(self) -> dict[str, Any]:
        """camelCase keys; integers as decimal strings, bytes as 0x hex."""
        return {field.json_name: _to_json(getattr(self, field.name)) for field in layout(type(self))}

    @classmethod
    def from_json(cls, document: object) -> Self:
        """The struct from `to_json`'s form. StructError names the field that is missing, unknown or out of range.

        Integers may also be JSON numbers, as x402 clients send `withdrawDelay`.
        """
        if not isinstance(document, dict):
            raise StructError(f"{cls.__name__} must be a JSON object")
        parsers = _parsers(cls)
        if document.keys() != parsers.keys():
            _name_wrong_fields(cls, document)
        return cls(*[parse(document[name]) for name, parse in parsers.items()])


@lru_cache(maxsize=4096)
def _remembered_hash(struct: Struct) -> Bytes32:
    return struct.struct_hash()


def _cached(compute: Callable[[type[Struct]], _T]) -> Callable[[type[Struct]], _T]:
    """Caches the result per struct class. mypy does not accept `functools.cache` for functions of classes."""
    known: dict[type[Struct], _T] = {}

    def remembered(struct: type[Struct]) -> _T:
        if struct not in known:
            known[struct] = compute(struct)
        return known[struct]

    return remembered


@_cached
def layout(struct: type[Struct]) -> tuple[Field, ...]:
    """The fields of a struct in the order of its type string."""
    body = struct.TYPE[struct.TYPE.index("(") + 1 : -1]
    pairs = [part.split(" ") for part in body.split(",")]
    members = tuple(Field(_snake(name), name, kind) for kind, name in pairs)
    declared = tuple(field.name for field in fields(struct))  # type: ignore[arg-type]  # subclasses are dataclasses
    assert tuple(field.name for field in members) == declared, f"{struct.__name__}: TYPE and fields differ"
    return members


@_cached
def encode_type(struct: type[Struct]) -> str:
    """encodeType, EIP-712: the type string, followed by those of the structs that it refers to, sorted by name."""
    nested = {element_type(struct, field.name) for field in layout(struct) if field.kind.endswith("[]")}
    return struct.TYPE + "".join(sorted(other.TYPE for other in nested))


@_cached
def type_hash(struct: type[Struct]) -> Bytes32:
    """typeHash = keccak256(encodeType), EIP-712."""
    return keccak(encode_type(struct).encode())


@_cached
def abi_type(struct: type[Struct]) -> str:
    """The struct as an ABI type: the tuple of its fields' types."""
    kinds = (
        abi_type(element_type(struct, field.name)) + "[]" if field.kind.endswith("[]") else field.kind
        for field in layout(struct)
    )
    return f"({','.join(kinds)})"


@_cached
def _hints(struct: type[Struct]) -> dict[str, Any]:
    return get_type_hints(struct)


def element_type(struct: type[Struct], name: str) -> type[Struct]:
    """The struct type of the array field `name`."""
    element: type[Struct] = get_args(_hints(struct)[name])[0]
    return element


def _snake(name: str) -> str:
    snake = re.sub(r"([A-Z])", lambda match: "_" + match[1].lower(), name)
    return snake + "_" if keyword.iskeyword(snake) else snake


_Encode = Callable[[Any], bytes]


@_cached
def _encoders(struct: type[Struct]) -> tuple[tuple[str, _Encode], ...]:
    """For each field its Python name and the function from its value to a word of encodeData."""
    return tuple((field.name, _encoder(field)) for field in layout(struct))


def _encoder(field: Field) -> _Encode:
    if field.kind == "address":
        return _address_word
    if field.kind == "bytes32":
        return to_bytes32
    if field.kind == "string":
        return lambda value: keccak(value.encode())
    if field.kind.endswith("[]"):
        return lambda value: keccak(b"".join([item.struct_hash() for item in value]))
    limit = 1 << field.bits

    def uint(value: int) -> bytes:
        if not 0 <= value < limit:
            raise StructError(f"{field.json_name} = {value} does not fit {field.kind}")
        return value.to_bytes(32)

    return uint


@lru_cache(maxsize=4096)
def _address_word(address: Address) -> bytes:
    return bytes(12) + address_bytes(address)


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return to_hex(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return [item.to_json() for item in value]
    return value


_Parse = Callable[[Any], Any]


@_cached
def _parsers(struct: type[Struct]) -> dict[str, _Parse]:
    """For each field, in order, its JSON name and the function from its JSON value to its value."""
    return {field.json_name: _named(struct, field, _parser(struct, field)) for field in layout(struct)}


def _name_wrong_fields(struct: type[Struct], document: dict[Any, Any]) -> None:
    names = _parsers(struct).keys()
    if unknown := sorted(map(str, document.keys() - names)):
        raise StructError(f"{struct.__name__} has unknown fields: {', '.join(unknown)}")
    missing = next(name for name in names if name not in document)
    raise StructError(f"{struct.__name__} lacks {missing}")


def _named(struct: type[Struct], field: Field, parse: _Parse) -> _Parse:
    def named(value: Any) -> Any:
        try:
            return parse(value)
        except ValueError as error:
            raise StructError(f"{struct.__name__}.{field.json_name}: {error}") from error

    return named


def _parser(struct: type[Struct], field: Field) -> _Parse:
    if field.kind.endswith("[]"):
        element = element_type(struct, field.name)
        return lambda value: tuple([element.from_json(item) for item in _a(list, value)])
    if field.kind.startswith("uint"):
        bits = field.bits
        return lambda value: parse_uint(value, bits)
    if field.kind == "address":
        return lambda value: to_address(_a(str, value))
    if field.kind == "bytes32":
        return lambda value: parse_bytes32(_a(str, value))
    return lambda value: _a(str, value)


def _a(kind: type[_T], value: object) -> _T:
    if not isinstance(value, kind):
        raise StructError(f"expected a {_KINDS[kind]}")
    return value


_KINDS: dict[type, str] = {list: "list", str: "string"}


def parse_uint(value: object, bits: int) -> int:
    """An unsigned integer from a decimal string without leading zeros, or from a JSON number; StructError otherwise."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise StructError("expected a decimal string")
    if value >= 1 << bits:
        raise StructError(f"{value} does not fit uint{bits}")
    return value


def parse_bytes32(text: str) -> Bytes32:
    """32 bytes from 0x-prefixed hex; StructError otherwise."""
    if not _WORD.fullmatch(text):
        raise StructError(f"expected 0x and 64 hex digits, got {text[:80]!r}")
    return Bytes32(bytes.fromhex(text[2:]))


@dataclass(frozen=True, slots=True)
class Domain(Struct):
    """The EIP-712 domain: which application, chain and contract a signature is for."""

    TYPE: ClassVar[str] = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    name: str
    version: str
    chain_id: int
    verifying_contract: Address

    def separator(self) -> Bytes32:
        """domainSeparator = hashStruct(domain), EIP-712."""
        return _separator(self)


@cache
def _separator(domain: Domain) -> Bytes32:
    return domain.struct_hash()
