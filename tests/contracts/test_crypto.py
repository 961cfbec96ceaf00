"""Hashes, addresses and signatures agree with eth-account, and what no key has signed is refused."""

from contextlib import suppress

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.datatypes import Signature
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak as reference_keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.crypto import InvalidSignature, PrivateKey, keccak, recover, to_address, to_bytes32

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SECRETS = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32))
DIGESTS = st.binary(min_size=32, max_size=32)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_keccak_is_ethereum_s(data: bytes) -> None:
    assert keccak(data) == reference_keccak(data)


@settings(deadline=None)
@given(st.binary(min_size=20, max_size=20))
def test_addresses_carry_the_eip_55_checksum(raw: bytes) -> None:
    expected = str(to_checksum_address("0x" + raw.hex()))

    assert to_address("0x" + raw.hex()) == to_address("0x" + raw.hex().upper()) == to_address(expected) == expected


@pytest.mark.parametrize("text", ["", "0x", "0x" + "a" * 39, "0x" + "g" * 40, "a" * 42, "0x" + "a" * 41])
def test_what_is_not_an_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        to_address(text)


@settings(deadline=None)
@given(SECRETS, DIGESTS)
def test_signatures_are_those_of_eth_account_and_recover_their_signer(secret: bytes, digest: bytes) -> None:
    key, account = PrivateKey(secret), Account.from_key(secret)
    expected = account.unsafe_sign_hash(digest).signature

    assert key.address == account.address
    assert key.sign(digest) == expected
    assert recover(digest, key.sign(digest)) == key.address


@settings(deadline=None)
@given(SECRETS, st.text(max_size=50))
def test_what_eth_account_signs_is_recovered(secret: bytes, text: str) -> None:
    account = Account.from_key(secret)
    message = encode_defunct(text=text)
    signed = account.sign_message(message)

    assert recover(signed.message_hash, signed.signature) == account.address


@settings(deadline=None)
@given(SECRETS, DIGESTS, DIGESTS)
def test_a_signature_names_another_signer_for_another_digest(secret: bytes, digest: bytes, other: bytes) -> None:
    key = PrivateKey(secret)
    if digest == other:
        return
    with suppress(InvalidSignature):  # perhaps no key at all
        assert recover(other, key.sign(digest)) != key.address


@settings(deadline=None)
@given(SECRETS, DIGESTS)
def test_the_other_signature_of_the_same_key_is_refused(secret: bytes, digest: bytes) -> None:
    signature = Signature(PrivateKey(secret).sign(digest)[:64] + bytes([PrivateKey(secret).sign(digest)[64] - 27]))
    malleable = signature.r.to_bytes(32) + (ORDER - signature.s).to_bytes(32) + bytes([28 - signature.v])

    with pytest.raises(InvalidSignature, match="upper half"):
        recover(digest, malleable)


@pytest.mark.parametrize(
    ("signature", "complaint"),
    [
        (b"", "65 bytes"),
        (bytes(64), "65 bytes"),
        (bytes(66), "65 bytes"),
        (bytes(64) + b"\x00", "27 or 28"),
        (bytes(64) + b"\x1b", "no key"),
        (ORDER.to_bytes(32) + bytes(31) + b"\x01" + b"\x1b", "no key"),
        (bytes(31) + b"\x05" + bytes(31) + b"\x01" + b"\x1b", "no key"),  # no curve point has x = 5
    ],
)
def test_what_no_key_can_have_made_is_refused(signature: bytes, complaint: str) -> None:
    with pytest.raises(InvalidSignature, match=complaint):
        recover(bytes(32), signature)


def test_a_key_never_shows_its_secret() -> None:
    key = PrivateKey.generate()

    assert key.secret.hex() not in repr(key)
    assert repr(key.secret) not in repr(key)
    assert key.address in repr(key)


def test_words_have_32_bytes() -> None:
    assert to_bytes32(bytes(32)) == bytes(32)
    with pytest.raises(ValueError, match="expected 32 bytes, got 31"):
        to_bytes32(bytes(31))
    with pytest.raises(ValueError, match="expected 32 bytes, got 20"):
        PrivateKey.generate().sign(bytes(20))
