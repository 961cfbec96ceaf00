"""Signed transactions of type 2 (EIP-1559)."""

from dataclasses import dataclass
from typing import Protocol

import rlp  # type: ignore[import-untyped]  # it ships no types

from contracts.crypto import Address, Bytes32, address_bytes, keccak

_TYPE = b"\x02"


class TransactionSigner(Protocol):
    """A key that signs 32-byte digests. A signature is r ‖ s ‖ v with v = 27 or 28."""

    @property
    def address(self) -> Address:
        """The address that the signatures recover to."""
        ...

    def sign(self, digest: bytes) -> bytes:
        """The signature of a digest."""
        ...


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction before it is signed. Fees in wei per gas; value: what it transfers, in wei."""

    chain_id: int
    nonce: int
    to: Address
    data: bytes
    gas: int
    max_fee: int
    tip: int
    value: int = 0


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """The bytes to broadcast and the transaction hash."""

    raw: bytes
    hash: Bytes32


def sign_transaction(transaction: Transaction, signer: TransactionSigner) -> SignedTransaction:
    """Signs a transaction (EIP-1559).

    0x02 ‖ rlp(chainId, nonce, tip, maxFee, gas, to, value, data, [], yParity, r, s)
    """
    fields = [
        transaction.chain_id,
        transaction.nonce,
        transaction.tip,
        transaction.max_fee,
        transaction.gas,
        address_bytes(transaction.to),
        transaction.value,
        transaction.data,
        [],
    ]
    signature = signer.sign(keccak(_TYPE + rlp.encode(fields)))
    r, s = (int.from_bytes(signature[start : start + 32]) for start in (0, 32))
    raw = _TYPE + rlp.encode([*fields, signature[64] - 27, r, s])
    return SignedTransaction(raw, keccak(raw))
