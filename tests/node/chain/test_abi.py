"""Encoding and decoding with the compiled contracts' ABIs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.crypto import Bytes32, keccak
from node.chain.abi import abi_of
from node.chain.client import Log
from node.chain.errors import UnexpectedAnswer
from tests.node.chain.endpoints import SOMEBODY

WORD = keccak(b"word")


@given(st.integers(0, 2**256 - 1))
def test_call_data_is_the_selector_and_the_arguments(amount: int) -> None:
    transfer = abi_of("OpenToken").functions["transfer"]

    data = transfer.encode(SOMEBODY, amount)

    assert data[:4] == keccak(b"transfer(address,uint256)")[:4]
    assert data[4:36] == bytes(12) + bytes.fromhex(SOMEBODY[2:])
    assert int.from_bytes(data[36:]) == amount


def test_results_that_are_too_short_are_unexpected() -> None:
    with pytest.raises(UnexpectedAnswer, match="1 bytes do not decode"):
        abi_of("OpenToken").functions["balanceOf"].decode(b"\x01")


def test_an_event_is_decoded_from_topics_and_data() -> None:
    event = abi_of("OpenToken").events["Transfer"]
    address = Bytes32(bytes(12) + bytes.fromhex(SOMEBODY[2:]))
    log = Log(1, WORD, 0, WORD, SOMEBODY, (event.topic, address, address), (5).to_bytes(32))

    assert event.topic == keccak(b"Transfer(address,address,uint256)")
    assert set(event.decode(log).values()) == {SOMEBODY.lower(), 5}


@pytest.mark.parametrize("topics", [1, 2, 4])
def test_an_event_with_other_topics_is_unexpected(topics: int) -> None:
    event = abi_of("OpenToken").events["Transfer"]
    log = Log(1, WORD, 0, WORD, SOMEBODY, (event.topic, WORD, WORD, WORD)[:topics], b"")

    with pytest.raises(UnexpectedAnswer, match="does not decode as Transfer"):
        event.decode(log)


def test_an_overloaded_function_has_its_signature_for_a_name() -> None:
    """A call by such a name alone would be ambiguous."""
    functions = abi_of("OpenGovernor").functions

    assert "queue" not in functions
    assert functions["queue(uint256)"].selector == keccak(b"queue(uint256)")[:4]
    assert functions["propose"].selector == keccak(b"propose(address[],uint256[],bytes[],string)")[:4]


@given(st.integers(0, 2**256 - 1), st.binary(min_size=1, max_size=40))
def test_arguments_are_read_back_from_exactly_their_own_bytes(amount: int, more: bytes) -> None:
    transfer = abi_of("OpenToken").functions["transfer"]
    data = transfer.encode(SOMEBODY, amount)

    assert transfer.arguments(data) == (SOMEBODY.lower(), amount)
    assert transfer.arguments(data + more) is None
    assert transfer.arguments(data[:-1]) is None
    assert transfer.arguments(b"\x00\x00\x00\x00" + data[4:]) is None
