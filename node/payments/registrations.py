"""What is registered on-chain about prices and terms, and what the escrow holds: two seams with a shipped fake each."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from attribution.transition import Registered
from contracts.crypto import ZERO_BYTES32, Address, Bytes32, keccak
from contracts.structs import PriceList, Terms
from contracts.x402 import ChannelConfig
from node.payments.errors import DepositFailed

_V = TypeVar("_V", PriceList, Terms)


class Registrations(Protocol):
    """The node's view of the registries. Answers from memory: it stands in the path of every request."""

    def price_list_at(self, adapter_key: Bytes32, at: int) -> Registered[PriceList] | None:
        """The list in force for this adapter at `at`: its own, else the node's default (adapter key 0)."""
        ...

    def terms_at(self, adapter_key: Bytes32, at: int) -> Registered[Terms] | None:
        """The terms in force, None for the base (key 0) and for adapters nobody has registered."""
        ...

    def adapter_key_of(self, adapter_digest: str) -> Bytes32:
        """The key of a served adapter version on this node's base; `adapter_digest` is 64 hex digits."""
        ...

    def head_time(self) -> int:
        """The newest block's timestamp; receipts are never dated before it."""
        ...


@dataclass(frozen=True, slots=True)
class EscrowBalance:
    """One channel in the escrow as of block `at_block`.

    balance = deposits − withdrawals and refunds; claims do not lower it.
    """

    balance: int
    total_claimed: int
    pending_withdraw: int
    at_block: int


class Escrow(Protocol):
    """The escrow contract, as far as payments need it."""

    async def balance(self, channel_id: Bytes32) -> EscrowBalance:
        """The channel's state at the newest block; zeros for a channel nobody funded."""
        ...

    async def relay_deposit(
        self, config: ChannelConfig, amount: int, collector_data: bytes, authorization_nonce: Bytes32
    ) -> str:
        """Send the payer's ERC-3009 deposit and wait until it is mined; the transaction hash.

        `authorization_nonce` can be used once on-chain: a second call with it finds the first transaction. Raises
        DepositFailed if the chain refuses, SettlementUnknown if it was sent but not seen mined in time.
        """
        ...


@dataclass(slots=True)
class MemoryRegistrations:
    """Registrations held in memory, for tests and for nodes whose prices are given by hand."""

    prices: list[Registered[PriceList]] = field(default_factory=list)
    owned: list[Registered[Terms]] = field(default_factory=list)
    adapter_keys: dict[str, Bytes32] = field(default_factory=dict)
    now: int = 0

    def register_price(self, price_list: PriceList, from_: int = 0) -> Bytes32:
        """Opens a window at `from_` and closes the one before it."""
        _succeed(self.prices, price_list, from_)
        return price_list.struct_hash()

    def register_terms(self, terms: Terms, from_: int = 0) -> Bytes32:
        """Opens a window at `from_` and closes the one before it."""
        _succeed(self.owned, terms, from_)
        return terms.struct_hash()

    def price_list_at(self, adapter_key: Bytes32, at: int) -> Registered[PriceList] | None:
        return _in_force(self.prices, adapter_key, at) or _in_force(self.prices, ZERO_BYTES32, at)

    def terms_at(self, adapter_key: Bytes32, at: int) -> Registered[Terms] | None:
        return _in_force(self.owned, adapter_key, at)

    def adapter_key_of(self, adapter_digest: str) -> Bytes32:
        return self.adapter_keys[adapter_digest]

    def head_time(self) -> int:
        return self.now


def _succeed(windows: list[Registered[_V]], value: _V, from_: int) -> None:
    for i, window in enumerate(windows):
        if window.value.adapter_key == value.adapter_key and window.until is None:
            windows[i] = Registered(window.value, window.from_, from_)
    windows.append(Registered(value, from_))


def _in_force(windows: Sequence[Registered[_V]], adapter_key: Bytes32, at: int) -> Registered[_V] | None:
    return next((w for w in windows if w.value.adapter_key == adapter_key and w.holds(at)), None)


@dataclass(slots=True)
class MemoryEscrow:
    """An escrow without a chain, with the contract's arithmetic. Deposits draw on `funds`, each authorisation once."""

    chain_id: int
    funds: dict[Address, int] = field(default_factory=dict)
    channels: dict[Bytes32, EscrowBalance] = field(default_factory=dict)
    used: dict[Bytes32, str] = field(default_factory=dict)
    block: int = 0

    async def balance(self, channel_id: Bytes32) -> EscrowBalance:
        return replace(self._held(channel_id), at_block=self.block)

    async def relay_deposit(
        self, config: ChannelConfig, amount: int, collector_data: bytes, authorization_nonce: Bytes32
    ) -> str:
        if authorization_nonce in self.used:
            return self.used[authorization_nonce]
        if self.funds.get(config.payer, 0) < amount:
            raise DepositFailed(f"{config.payer} holds less than {amount}")
        self.funds[config.payer] -= amount
        channel_id = config.channel_id(self.chain_id)
        self.deposit(channel_id, amount)
        self.used[authorization_nonce] = "0x" + keccak(authorization_nonce + collector_data).hex()
        return self.used[authorization_nonce]

    def deposit(self, channel_id: Bytes32, amount: int) -> None:
        """Adds to the balance; a withdrawal under way is off, as in the contract."""
        held = self._held(channel_id)
        self._mine(channel_id, replace(held, balance=held.balance + amount, pending_withdraw=0))

    def claim(self, channel_id: Bytes32, total_claimed: int) -> None:
        """The receiver claims up to a cumulative amount."""
        held = self._held(channel_id)
        assert held.total_claimed <= total_claimed <= held.balance, "a claim above the balance reverts"
        self._mine(channel_id, replace(held, total_claimed=total_claimed))

    def initiate_withdraw(self, channel_id: Bytes32, amount: int) -> None:
        """The payer asks for `amount` back; it is paid after the delay."""
        self._mine(channel_id, replace(self._held(channel_id), pending_withdraw=amount))

    def finalize_withdraw(self, channel_id: Bytes32) -> int:
        """Pays out what was asked, but never what the receiver has claimed."""
        held = self._held(channel_id)
        paid = min(held.pending_withdraw, held.balance - held.total_claimed)
        self._mine(channel_id, replace(held, balance=held.balance - paid, pending_withdraw=0))
        return paid

    def _held(self, channel_id: Bytes32) -> EscrowBalance:
        return self.channels.get(channel_id, EscrowBalance(0, 0, 0, 0))

    def _mine(self, channel_id: Bytes32, held: EscrowBalance) -> None:
        self.block += 1
        self.channels[channel_id] = replace(held, at_block=self.block)
