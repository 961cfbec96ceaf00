"""Revert data as text."""

import pytest
from eth_abi.abi import encode

from node.chain.reverts import error_selector, revert_reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes.fromhex("08c379a0") + encode(["string"], ["too late"]), "too late"),
        (bytes.fromhex("4e487b71") + encode(["uint256"], [17]), "panic 0x11"),
        (error_selector("Settlement", "NothingToClaim"), "NothingToClaim()"),
        (
            error_selector("Settlement", "ClosedInFuture") + encode(["uint64", "uint256"], [9, 7]),
            "ClosedInFuture(9, 7)",
        ),
        (error_selector("Challenges", "NoDemand") + bytes(32), "NoDemand(0x" + "00" * 32 + ")"),
        (error_selector("Judge", "WrongFee") + encode(["uint256", "uint256"], [9, 7]), "WrongFee(9, 7)"),
        (bytes.fromhex("08c379a0") + b"\x01", None),
        (b"\xde\xad\xbe\xef", None),
        (b"", None),
    ],
)
def test_revert_data_is_put_into_words(data: bytes, reason: str | None) -> None:
    assert revert_reason(data) == reason
