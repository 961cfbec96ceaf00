"""Parsing of JSON-RPC parameters: every accepted form, and a refusal that names the field for every other."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_chain.pyevm.execution import Call
from local_chain.rpc import params
from local_chain.rpc.errors import InvalidParams, Json

ACCOUNT = "0x" + "11" * 20
WORD = "0x" + "22" * 32


@given(st.integers(0, 2**256 - 1))
def test_a_quantity_is_hex_or_a_number(value: int) -> None:
    assert params.quantity(hex(value), "value") == params.quantity(value, "value") == value


@given(st.binary(max_size=64))
def test_data_is_hex_of_whole_bytes(value: bytes) -> None:
    assert params.data("0x" + value.hex(), "data") == value


@pytest.mark.parametrize(
    ("parse", "value"),
    [
        *[(params.quantity, bad) for bad in ("12", "0x", "0xg", "", -1, 1.5, True, None, [], "0x" + "1" * 65)],
        *[(params.data, bad) for bad in ("12", "0x1", "0xgg", 18, None, [])],
        *[(params.address, bad) for bad in ("0x", ACCOUNT[:-2], ACCOUNT + "11", 5, None)],
        *[(params.word, bad) for bad in ("0x", ACCOUNT, WORD + "22", 5, None)],
        *[(params.flag, bad) for bad in ("true", 1, None)],
    ],
)
def test_any_other_value_is_refused_with_the_name_of_the_field(
    parse: Callable[[Json, str], object], value: Json
) -> None:
    with pytest.raises(InvalidParams, match=r"^slot: "):
        parse(value, "slot")


def test_positional_parameters_are_required_or_optional() -> None:
    assert params.required(["a"], 0) == params.optional(["a"], 0) == "a"
    assert params.optional(["a"], 1) is None
    with pytest.raises(InvalidParams, match="at least 2 parameters, got 1"):
        params.required(["a"], 1)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "latest"),
        ("latest", "latest"),
        ("safe", "latest"),
        ("finalized", "latest"),
        ("pending", "pending"),
        ("earliest", "earliest"),
        ("0x10", 16),
        ({"blockNumber": "0x10"}, 16),
        ({"blockHash": WORD}, bytes.fromhex("22" * 32)),
    ],
)
def test_a_block_is_named_by_tag_number_or_hash(value: Json, name: params.BlockName) -> None:
    assert params.block_name(value) == name


@pytest.mark.parametrize("value", ["newest", "", {}, {"blockHash": "0x1"}, [], True])
def test_any_other_block_name_is_refused(value: Json) -> None:
    with pytest.raises(InvalidParams):
        params.block_name(value)


def test_a_call_defaults_to_nothing_from_the_zero_address() -> None:
    assert params.call_message({}) == Call(bytes(20), b"", b"", 0, None)


def test_a_call_is_parsed_whole() -> None:
    message = {
        "from": ACCOUNT,
        "to": ACCOUNT,
        "input": "0x12",
        "data": "0x12",
        "value": "0x1",
        "gas": "0x5208",
        "chainId": "0x7a69",
        "accessList": [{"address": ACCOUNT, "storageKeys": [WORD]}, {"address": ACCOUNT}],
    }
    account = bytes.fromhex("11" * 20)

    assert params.call_message(message) == Call(
        sender=account,
        to=account,
        data=b"\x12",
        value=1,
        gas=21_000,
        access_list=((account, (int(WORD, 16),)), (account, ())),
    )


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (17, "object"),
        ({"input": "0x01", "data": "0x02"}, "differ"),
        ({"blobs": [], "authorizationList": []}, "authorizationList, blobs"),
        ({"chainId": "one"}, "chainId"),
        ({"accessList": [5]}, "accessList"),
        ({"accessList": [{"address": ACCOUNT, "storageKeys": ["0x1"]}]}, "storageKeys"),
    ],
)
def test_a_malformed_call_is_refused_with_its_reason(message: Json, reason: str) -> None:
    with pytest.raises(InvalidParams, match=reason):
        params.call_message(message)


def test_a_filter_selects_by_topics_in_position() -> None:
    first, second = bytes.fromhex("22" * 32), bytes(32)
    selected = params.log_filter({"topics": [WORD, None, [WORD, "0x" + "00" * 32]]})

    assert selected.accepts([first, second, first])
    assert selected.accepts([first, first, second, second])
    assert not selected.accepts([second, first, first])
    assert not selected.accepts([first, first])


def test_a_filter_without_conditions_selects_the_latest_block() -> None:
    selected = params.log_filter({})

    assert (selected.first, selected.last, selected.addresses) == ("latest", "latest", [])
    assert selected.accepts([])


def test_a_filter_takes_addresses_and_a_range_or_a_block_hash() -> None:
    account, word = bytes.fromhex("11" * 20), bytes.fromhex("22" * 32)
    ranged = params.log_filter({"address": ACCOUNT, "fromBlock": "0x1", "toBlock": "pending"})
    exact = params.log_filter({"address": [ACCOUNT, ACCOUNT], "blockHash": WORD})

    assert (ranged.first, ranged.last, ranged.addresses) == (1, "pending", [account])
    assert (exact.first, exact.last, exact.addresses) == (word, word, [account, account])


@pytest.mark.parametrize("value", ["latest", {"topics": [None] * 5}, {"topics": "0x"}, {"address": "0x1"}])
def test_a_malformed_filter_is_refused(value: Json) -> None:
    with pytest.raises(InvalidParams):
        params.log_filter(value)
