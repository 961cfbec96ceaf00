"""Revert data as text: `Error(string)`, `Panic(uint256)`, or a custom error of one of our contracts."""

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from contracts.artifacts import load
from contracts.reverts import custom_error, error_string
from node.chain.abi import abi_of

_PANIC = bytes.fromhex("4e487b71")
_CONTRACTS = (
    "Settlement",
    "NodeRegistry",
    "NodeVault",
    "AssetRegistry",
    "Challenges",
    "Judge",
    "ChannelEscrow",
    "OpenToken",
    "Multicall3",
)


def revert_reason(data: bytes) -> str | None:
    """The error in revert data, in words; None if the data is of no known error."""
    text = error_string(data)
    if text is None and data[:4] == _PANIC:
        text = _panic(data)
    if text is None:
        texts = (custom_error(data, load(contract).abi) for contract in _CONTRACTS)
        text = next((known for known in texts if known is not None), None)
    return text


def error_selector(contract: str, name: str) -> bytes:
    """The selector of a custom error."""
    return next(selector for selector, (found, _) in abi_of(contract).errors.items() if found == name)


def _panic(data: bytes) -> str | None:
    try:
        return f"panic {decode(['uint256'], data[4:])[0]:#x}"
    except DecodingError:
        return None
