"""Revert data in words, for the standard error, for custom errors and for data that is neither."""

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from contracts.artifacts import load
from contracts.crypto import keccak
from contracts.reverts import custom_error, error_string

SETTLEMENT = load("Settlement").abi
NODE = "0x" + "11" * 20
POINT_ABI = [
    {
        "type": "error",
        "name": "Outside",
        "inputs": [{"type": "tuple", "components": [{"type": "uint8"}, {"type": "bytes2"}]}],
    }
]


@given(st.text(max_size=40))
def test_the_text_of_a_standard_error_is_read_back(text: str) -> None:
    assert error_string(bytes.fromhex("08c379a0") + encode(["string"], [text])) == text


@pytest.mark.parametrize("data", [b"", b"\x08", bytes.fromhex("08c379a0"), bytes.fromhex("08c379a0") + b"\x01"])
def test_other_data_is_no_standard_error(data: bytes) -> None:
    assert error_string(data) is None


@pytest.mark.parametrize(
    ("signature", "values", "text"),
    [
        ("NothingToClaim()", [], "NothingToClaim()"),
        ("NotANode(address)", [NODE], f"NotANode({NODE})"),
        ("ClosedInFuture(uint64,uint256)", [7, 5], "ClosedInFuture(7, 5)"),
        (
            "WrongPrevious(bytes32,bytes32)",
            [bytes(32), b"\x01" * 32],
            f"WrongPrevious(0x{'00' * 32}, 0x{'01' * 32})",
        ),
    ],
)
def test_a_custom_error_is_shown_with_its_values(signature: str, values: list[object], text: str) -> None:
    kinds = [kind for kind in signature.split("(")[1][:-1].split(",") if kind]

    assert custom_error(keccak(signature.encode())[:4] + encode(kinds, values), SETTLEMENT) == text


def test_a_struct_counts_as_a_tuple_in_the_signature_of_an_error() -> None:
    data = keccak(b"Outside((uint8,bytes2))")[:4] + encode(["(uint8,bytes2)"], [(1, b"\x02\x03")])

    assert str(custom_error(data, POINT_ABI)).startswith("Outside((1, ")


@pytest.mark.parametrize("data", [b"", b"\xde\xad\xbe\xef", keccak(b"NotANode(address)")[:4] + b"\x01"])
def test_data_of_no_known_error_has_no_text(data: bytes) -> None:
    assert custom_error(data, SETTLEMENT) is None


def test_no_two_errors_of_a_contract_share_a_selector() -> None:
    for name in ("AssetRegistry", "ChannelEscrow", "NodeRegistry", "NodeVault", "Settlement"):
        signatures = [
            f"{entry['name']}({','.join(parameter['type'] for parameter in entry['inputs'])})"
            for entry in load(name).abi
            if entry["type"] == "error"
        ]
        assert len({keccak(signature.encode())[:4] for signature in signatures}) == len(signatures) > 0
