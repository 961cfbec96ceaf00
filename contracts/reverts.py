"""Revert data in words: the text of Solidity's `Error(string)`, or a custom error with its values."""

from collections.abc import Iterable
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple

from contracts.crypto import keccak

_ERROR_STRING = bytes.fromhex("08c379a0")


def error_string(data: bytes) -> str | None:
    """The text of `Error(string)`; None if the revert data is anything else."""
    if data[:4] != _ERROR_STRING:
        return None
    try:
        (text,) = decode(["string"], data[4:])
    except DecodingError:
        return None
    return str(text)


def custom_error(data: bytes, abi: Iterable[dict[str, Any]]) -> str | None:
    """A custom error with its values, as in `Name(1, 0x12)`; None if `abi` lists no error for the revert data."""
    for entry in abi:
        if entry["type"] != "error":
            continue
        name, kinds = entry["name"], [collapse_if_tuple(parameter) for parameter in entry["inputs"]]
        if keccak(f"{name}({','.join(kinds)})".encode())[:4] == data[:4]:
            try:
                return f"{name}({', '.join(map(_text_of, decode(kinds, data[4:])))})"
            except DecodingError:
                return None
    return None


def _text_of(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
