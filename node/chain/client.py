"""The interface to an Ethereum chain, and the values that it returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts.crypto import Address, Bytes32


@dataclass(frozen=True, slots=True)
class Block:
    """A block. timestamp: unix seconds; base_fee: wei per gas.

    bloom: its `logsBloom`; parent: the hash of the block before. None if the endpoint leaves them out.
    """

    number: int
    hash: Bytes32
    timestamp: int
    base_fee: int
    bloom: bytes | None = None
    parent: Bytes32 | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """One event on the chain, not decoded."""

    block_number: int
    block_hash: Bytes32
    log_index: int
    transaction_hash: Bytes32
    address: Address
    topics: tuple[Bytes32, ...]
    data: bytes

    @property
    def place(self) -> tuple[int, int]:
        """(block number, log index): the position in the order of the chain."""
        return self.block_number, self.log_index


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A mined transaction: its block, its outcome, the gas used (gas_price in wei per gas), and its events."""

    transaction_hash: Bytes32
    block_number: int
    block_hash: Bytes32
    succeeded: bool
    gas_used: int
    gas_price: int
    logs: tuple[Log, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A message to a contract. value: the native coin that goes with it, in wei."""

    to: Address
    data: bytes
    value: int = 0


class ChainClient(Protocol):
    """A client of an Ethereum node. Every method has a time limit and raises ChainUnavailable if it gets no answer."""

    @property
    def chain_id(self) -> int:
        """The id that transactions and signatures are bound to."""
        ...

    async def head(self) -> Block:
        """The newest block."""
        ...

    async def block(self, number: int) -> Block | None:
        """The canonical block of a number; None above the head."""
        ...

    async def code(self, address: Address) -> bytes:
        """The code at an address; empty for an account without code."""
        ...

    async def funds(self, address: Address) -> int:
        """The native coin of an account, in wei."""
        ...

    async def call(self, call: Call, sender: Address | None = None, at: int | None = None) -> bytes:
        """The return data of a call on the state after block `at`, or after the newest block. Raises CallReverted."""
        ...

    async def estimate_gas(self, call: Call, sender: Address) -> int:
        """The gas that a transaction needs, found by simulation. Raises CallReverted if it would fail."""
        ...

    async def tip_fee(self) -> int:
        """A priority fee that is accepted soon, in wei per gas."""
        ...

    async def nonce(self, address: Address) -> int:
        """The number of mined transactions of an account."""
        ...

    async def send_raw(self, raw: bytes) -> Bytes32:
        """Sends a signed transaction and returns its hash. A transaction that the chain already has is not an error.

        Raises NonceTooLow, Underpriced, InsufficientFunds or TransactionRefused.
        """
        ...

    async def knows(self, transaction_hash: Bytes32) -> bool:
        """Whether the transaction is mined or pending."""
        ...

    async def inclusion(self, transaction_hash: Bytes32) -> Inclusion | None:
        """The block and the result of a mined transaction; None if it is not mined."""
        ...

    async def logs(
        self, addresses: Sequence[Address], topics: Sequence[Bytes32], from_block: int, to_block: int
    ) -> list[Log]:
        """The events of `addresses` whose first topic is one of `topics`, in order."""
        ...

    async def logs_of_block(
        self, block_hash: Bytes32, addresses: Sequence[Address], topics: Sequence[Bytes32]
    ) -> list[Log]:
        """Such events of one block. Raises CallRefused if the endpoint does not have the block."""
        ...

    async def receipt_logs(self, block_hash: Bytes32) -> list[Log]:
        """All events of one block, from its receipts. Raises CallRefused if the endpoint does not offer that."""
        ...
