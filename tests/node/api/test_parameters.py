"""Ids and addresses in paths and queries."""

import pytest

from node.api.errors import InvalidBody
from node.api.parameters import address_parameter, bytes32_parameter

ADDRESS = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"


def test_hex_becomes_bytes_and_an_address_gets_its_checksum() -> None:
    assert bytes32_parameter("0x" + "1f" * 32, "id") == b"\x1f" * 32
    assert address_parameter(ADDRESS.lower(), "payer") == ADDRESS


@pytest.mark.parametrize("text", ["", "0x", "5", "0x" + "1f" * 31, "0x" + "1f" * 33, "0x" + "zz" * 32])
def test_what_is_not_32_bytes_is_refused_under_the_parameters_name(text: str) -> None:
    with pytest.raises(InvalidBody) as refusal:
        bytes32_parameter(text, "cursor")

    assert refusal.value.param == "cursor"


@pytest.mark.parametrize("text", ["", "nobody", ADDRESS[:-1], ADDRESS + "00"])
def test_what_is_no_address_is_refused_under_the_parameters_name(text: str) -> None:
    with pytest.raises(InvalidBody) as refusal:
        address_parameter(text, "payer")

    assert refusal.value.param == "payer"
