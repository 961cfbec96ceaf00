"""Revert data as text: `Error(string)`, `Panic(uint256)`, or a custom error of one of our contracts."""

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from node.chain.abi import abi_of

_ERROR, _PANIC = bytes.fromhex("08c379a0"), bytes.fromhex("4e487b71")
_CONTRACTS = ("Settlement", "NodeRegistry", "NodeVault", "AssetRegistry", "ChannelEscrow", "OpenToken", "Multicall3")


def revert_reason(data: bytes) -> str | None:
    """The text of revert data; None if it is none of these."""
    selector, arguments = data[:4], data[4:]
    try:
        if selector == _ERROR:
            return str(decode(["string"], arguments)[0])
        if selector == _PANIC:
            return f"panic {decode(['uint256'], arguments)[0]:#x}"
        for contract in _CONTRACTS:
            if selector in (errors := abi_of(contract).errors):
                name, kinds = errors[selector]
                return f"{name}({', '.join(map(_show, decode(kinds, arguments)))})"
    except DecodingError:
        return None
    return None


def error_selector(contract: str, name: str) -> bytes:
    """The selector of a custom error."""
    return next(selector for selector, (found, _) in abi_of(contract).errors.items() if found == name)


def _show(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
