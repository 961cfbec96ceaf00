"""The seam to an Ethereum chain: what the node asks of it, and the values it answers with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts.crypto import Address, Bytes32


@dataclass(frozen=True, slots=True)
class Block:
    """A block's place and time; `timestamp` in unix seconds, `base_fee` in wei per gas."""

    number: int
    hash: Bytes32
    timestamp: int
    base_fee: int


@dataclass(frozen=True, slots=True)
class Log:
    """One event as the chain has it."""

    block_number: int
    block_hash: Bytes32
    log_index: int
    transaction_hash: Bytes32
    address: Address
    topics: tuple[Bytes32, ...]
    data: bytes

    @property
    def place(self) -> tuple[int, int]:
        """Where the event stands in the order of the chain."""
        return self.block_number, self.log_index


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A mined transaction: where, whether it succeeded, what it used, and its events."""

    transaction_hash: Bytes32
    block_number: int
    block_hash: Bytes32
    succeeded: bool
    gas_used: int
    gas_price: int
    logs: tuple[Log, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A message to a contract."""

    to: Address
    data: bytes


class ChainClient(Protocol):
    """An Ethereum node. Every method is bounded in time and raises ChainUnavailable when it does not answer."""

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
        """The code at an address; empty for an account without."""
        ...

    async def funds(self, address: Address) -> int:
        """The native coin an account holds, in wei."""
        ...

    async def call(self, call: Call, sender: Address | None = None) -> bytes:
        """What the contract returns at the newest block. CallReverted if it refuses."""
        ...

    async def estimate_gas(self, call: Call, sender: Address) -> int:
        """The gas a transaction needs; also its simulation. CallReverted if it would fail."""
        ...

    async def tip_fee(self) -> int:
        """A priority fee that is accepted soon, in wei per gas."""
        ...

    async def nonce(self, address: Address) -> int:
        """How many transactions of an account are mined."""
        ...

    async def send_raw(self, raw: bytes) -> Bytes32:
        """Hands in a signed transaction and returns its hash; one that the chain already has is no error.

        NonceTooLow, Underpriced, InsufficientFunds or TransactionRefused otherwise.
        """
        ...

    async def knows(self, transaction_hash: Bytes32) -> bool:
        """Whether the transaction is mined or waits to be."""
        ...

    async def inclusion(self, transaction_hash: Bytes32) -> Inclusion | None:
        """Where a transaction was mined; None while it was not."""
        ...

    async def logs(
        self, addresses: Sequence[Address], topics: Sequence[Bytes32], from_block: int, to_block: int
    ) -> list[Log]:
        """The events of `addresses` whose first topic is one of `topics`, in order."""
        ...
