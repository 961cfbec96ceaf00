"""The protocol's own hashes are what `abi.encode` and `abi.encodePacked` give."""

import json

import pytest
from eth_abi.abi import encode
from eth_abi.packed import encode_packed
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.crypto import Bytes32, keccak
from contracts.encoding import (
    BASE_KEY,
    abi_encode,
    adapter_key,
    commitment,
    datanet_payee,
    from_hex,
    outputs,
    request_hash,
    rfc3339,
    tagged_hash,
    to_hex,
    uint_word,
    unregistered_key,
)

WORDS = st.binary(min_size=32, max_size=32).map(Bytes32)
VERSIONS = st.integers(0, 2**32 - 1)


@settings(deadline=None)
@given(st.integers(0, 255), st.lists(WORDS, max_size=4))
def test_a_tagged_hash_is_packed(tag: int, words: list[Bytes32]) -> None:
    assert tagged_hash(tag, *words) == keccak(encode_packed(["uint8"] + ["bytes32"] * len(words), [tag, *words]))


def test_a_tagged_hash_takes_whole_words_only() -> None:
    with pytest.raises(ValueError, match="expected 32 bytes, got 20"):
        tagged_hash(0, bytes(20))


@settings(deadline=None)
@given(WORDS, VERSIONS, WORDS, WORDS)
def test_an_adapter_key_names_id_version_weights_and_base(
    one: Bytes32, version: int, two: Bytes32, base: Bytes32
) -> None:
    encoded = encode(["bytes32", "uint32", "bytes32", "bytes32"], [one, version, two, base])

    assert adapter_key(one, version, two, base) == keccak(encoded)


@settings(deadline=None)
@given(st.text(), st.text(), st.binary())
def test_a_request_hash_covers_method_path_and_raw_body(method: str, path: str, body: bytes) -> None:
    assert request_hash(method, path, body) == keccak(encode(["string", "string", "bytes"], [method, path, body]))


@settings(deadline=None)
@given(WORDS, VERSIONS)
def test_a_datanet_payee_names_id_and_version(datanet_id: Bytes32, version: int) -> None:
    assert datanet_payee(datanet_id, version) == keccak(encode(["bytes32", "uint32"], [datanet_id, version]))


@settings(deadline=None)
@given(WORDS, st.binary())
def test_a_commitment_is_salt_then_content(salt: Bytes32, content: bytes) -> None:
    assert commitment(salt, content) == keccak(salt + content)


@settings(deadline=None)
@given(st.integers(0, 2**256 - 1))
def test_an_integer_is_one_word(value: int) -> None:
    assert uint_word(value) == encode(["uint256"], [value])


@given(st.lists(st.text(), min_size=2, max_size=4), st.lists(st.text(), min_size=2, max_size=4))
def test_a_commitment_to_several_outputs_tells_them_apart(texts: list[str], others: list[str]) -> None:
    assert json.loads(outputs(texts)) == texts
    assert (outputs(texts) == outputs(others)) == (texts == others)


def test_one_output_is_committed_to_as_it_is() -> None:
    assert outputs(['a "b"\n']) == b'a "b"\n'
    assert outputs(["é", '"\n']) == '["é","\\"\\n"]'.encode()


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**256 - 1) | st.binary(max_size=100), max_size=5))
def test_integers_and_bytes_are_encoded_as_solidity_does(values: list[int | bytes]) -> None:
    kinds = ["uint256" if isinstance(value, int) else "bytes" for value in values]

    assert abi_encode(*values) == encode(kinds, values)


def test_an_unregistered_adapter_has_id_and_version_zero() -> None:
    digest, base = keccak(b"adapter"), keccak(b"base")

    assert unregistered_key(digest, base) == keccak(bytes(64) + digest + base)
    assert bytes(32) == BASE_KEY


@given(st.binary())
def test_hex_comes_back_as_bytes_in_any_case(value: bytes) -> None:
    text = to_hex(value)

    assert text == "0x" + value.hex()
    assert from_hex(text) == from_hex("0x" + value.hex().upper()) == value


@pytest.mark.parametrize("text", ["", "0x1", "12", "0xzz", "0X12", "0x12\n"])
def test_what_is_not_hex_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="pairs of hex digits"):
        from_hex(text)


def test_times_are_utc() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00Z"
    assert rfc3339(1_800_000_000) == "2027-01-15T08:00:00Z"
