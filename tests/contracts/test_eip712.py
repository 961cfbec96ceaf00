"""The published examples: `Mail` of EIP-712 itself, and integers as JSON carries them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.crypto import ZERO_ADDRESS, Bytes32, to_address
from contracts.eip712 import Domain, StructError, encode_type, layout, parse_bytes32, parse_uint, type_hash
from contracts.structs import DatanetLink, Terms
from contracts.x402 import ReceiveWithAuthorization


def test_the_domain_separator_of_the_standards_example() -> None:
    domain = Domain("Ether Mail", "1", 1, to_address("0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"))

    assert domain.separator().hex() == "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f"


def test_the_type_hash_of_erc_3009_is_the_published_one() -> None:
    published = "d099cc98ef71107a616c4f0f941f04c322d8e254fe26b3c6668db87aae413de8"

    assert type_hash(ReceiveWithAuthorization).hex() == published


def test_a_type_is_followed_by_the_structs_it_refers_to() -> None:
    assert encode_type(Terms) == Terms.TYPE + DatanetLink.TYPE


def test_python_names_are_the_solidity_names_in_snake_case() -> None:
    assert [field.name for field in layout(ReceiveWithAuthorization)][:4] == ["from_", "to", "value", "valid_after"]


@given(st.integers(0, 2**256 - 1))
def test_an_unsigned_integer_is_read_from_text_and_from_a_number(value: int) -> None:
    assert parse_uint(str(value), 256) == parse_uint(value, 256) == value


@pytest.mark.parametrize("value", ["", "-1", "+1", "01", "1.0", "0x1", "1e3", " 1", "1\n", "²", "9" * 79])
def test_other_text_is_no_integer(value: str) -> None:
    with pytest.raises(StructError, match="expected a decimal string"):
        parse_uint(value, 256)


@pytest.mark.parametrize("value", [None, True, 1.0, -1, [], b"1"])
def test_other_values_are_no_integer(value: object) -> None:
    with pytest.raises(StructError, match="expected a decimal string"):
        parse_uint(value, 256)


@pytest.mark.parametrize("bits", [8, 40, 64, 128, 256])
def test_an_integer_must_fit_its_width(bits: int) -> None:
    assert parse_uint(str(2**bits - 1), bits) == 2**bits - 1
    with pytest.raises(StructError, match=f"does not fit uint{bits}"):
        parse_uint(2**bits, bits)


def test_a_word_has_64_hex_digits() -> None:
    assert parse_bytes32("0x" + "aB" * 32) == Bytes32(b"\xab" * 32)
    for wrong in ("", "0x", "ab" * 32, "0x" + "ab" * 31, "0x" + "zz" * 32, ZERO_ADDRESS):
        with pytest.raises(StructError, match="64 hex digits"):
            parse_bytes32(wrong)
