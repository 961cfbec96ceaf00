"""Two interfaces to the chain, each with an in-memory implementation: registered prices and terms, and the escrow."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from attribution.transition import Registered
from contracts.crypto import ZERO_BYTES32, Address, Bytes32, keccak
from contracts.encoding import BASE_KEY, to_hex
from contracts.structs import PriceList, Terms
from contracts.x402 import ChannelConfig
from node.payments.errors import DepositFailed

_V = TypeVar("_V", PriceList, Terms)


class Registrations(Protocol):
    """The node's view of the registries. It answers from memory, because every request calls it."""

    def price_list_at(self, adapter_key: Bytes32, at: int) -> Registered[PriceList] | None:
        """The price list in force for this adapter at `at` (unix seconds): its own, else the node's default (key 0)."""
        ...

    def terms_at(self, adapter_key: Bytes32, at: int) -> Registered[Terms] | None:
        """The terms in force at `at` (unix seconds); None for the base model (key 0) and for unregistered adapters."""
        ...

    def adapter_key_of(self, adapter_digest: str | None) -> Bytes32:
        """The key of a served adapter version on this node's base model; `BASE_KEY` for None, the base model alone.

        adapter_digest: 64 hex digits.
        """
        ...

    def head_time(self) -> int:
        """The newest block's timestamp (unix seconds); receipts are never dated before it."""
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
    """The calls to the escrow contract that payments need."""

    async def balance(self, channel_id: Bytes32) -> EscrowBalance:
        """The channel's state at the newest block; zeros for a channel that was never funded."""
        ...

    async def check_deposit(
        self, config: ChannelConfig, amount: int, collector_data: bytes, authorization_nonce: Bytes32
    ) -> None:
        """Simulates a deposit, unless it was sent before, and compares it with the gas that it costs.

        Raises DepositFailed if the chain would refuse it, GasTooHigh, or ChannelRefused if it is worth less than its
        gas.
        """
        ...

    async def relay_deposit(
        self, config: ChannelConfig, amount: int, collector_data: bytes, authorization_nonce: Bytes32
    ) -> str:
        """Sends the payer's ERC-3009 deposit, waits until it is mined, and returns the transaction hash.

        `authorization_nonce` works once on-chain: a second call with it returns the first transaction. Raises
        DepositFailed if the chain refuses, SettlementUnknown if it was sent but not mined in time.
        """
        ...


@dataclass(slots=True)
class MemoryRegistrations:
    """Registrations in memory, for tests."""

    prices: list[Registered[PriceList]] = field(default_factory=list)
    owned: list[Registered[Terms]] = field(default_factory=list)
    adapter_keys: dict[str, Bytes32] = field(default_factory=dict)
    now: int = 0

    def register_price(self, price_list: PriceList, from_: int = 0) -> Bytes32:
        """Opens a window at `from_` and closes the previous window of the same adapter key."""
        _succeed(self.prices, price_list, from_)
        return price_list.struct_hash()

    def register_terms(self, terms: Terms, from_: int = 0) -> Bytes32:
        """Opens a window at `from_` and closes the previous window of the same adapter key."""
        _succeed(self.owned, terms, from_)
        return terms.struct_hash()

    def price_list_at(self, adapter_key: Bytes32, at: int) -> Registered[PriceList] | None:
        """As in `Registrations`."""
        return _in_force(self.prices, adapter_key, at) or _in_force(self.prices, ZERO_BYTES32, at)

    def terms_at(self, adapter_key: Bytes32, at: int) -> Registered[Terms] | None:
        """As in `Registrations`."""
        return _in_force(self.owned, adapter_key, at)

    def adapter_key_of(self, adapter_digest: str | None) -> Bytes32:
        """The key that a test gave to this digest."""
        return BASE_KEY if adapter_digest is None else self.adapter_keys[adapter_digest]

    def head_time(self) -> int:
        """As in `Registrations`; set `now` to move it."""
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
    """The escrow contract's arithmetic without a chain, for tests. `funds`: the tokens of each payer.

    Each authorization works once.
    """

    chain_id: int
    funds: dict[Address, int] = field(default_factory=dict)
    channels: dict[Bytes32, EscrowBalance] = field(default_factory=dict)
    used: dict[Bytes32, str] = field(default_factory=dict)
    block: int = 0

    async def balance(self, channel_id: Bytes32) -> EscrowBalance:
        """As in `Escrow`."""
        return replace(self._held(channel_id), at_block=self.block)

    async def check_deposit(
        self, config: ChannelConfig, amount: int, collector_data: bytes, authorization_nonce: Bytes32
    ) -> None:
        """As in `Escrow`; DepositFailed if the payer's funds do not suffice. Gas costs nothing here."""
        if authorization_nonce not in self.used and self.funds.get(config.payer, 0) < amount:
            raise DepositFailed(f"{config.payer} holds less than {amount}")

    async def relay_deposit(
        self, config: ChannelConfig, amount: int, collector_data: bytes, authorization_nonce: Bytes32
    ) -> str:
        """As in `Escrow`; DepositFailed if the payer's funds do not suffice."""
        await self.check_deposit(config, amount, collector_data, authorization_nonce)
        if authorization_nonce in self.used:
            return self.used[authorization_nonce]
        self.funds[config.payer] -= amount
        channel_id = config.channel_id(self.chain_id)
        self.deposit(channel_id, amount)
        self.used[authorization_nonce] = to_hex(keccak(authorization_nonce + collector_data))
        return self.used[authorization_nonce]

    def deposit(self, channel_id: Bytes32, amount: int) -> None:
        """Adds to the balance; a pending withdrawal stays, as in the contract."""
        held = self._held(channel_id)
        self._mine(channel_id, replace(held, balance=held.balance + amount))

    def claim(self, channel_id: Bytes32, total_claimed: int) -> None:
        """The receiver claims up to a cumulative amount."""
        held = self._held(channel_id)
        assert held.total_claimed <= total_claimed <= held.balance, "a claim above the balance reverts"
        self._mine(channel_id, replace(held, total_claimed=total_claimed))

    def initiate_withdraw(self, channel_id: Bytes32, amount: int) -> None:
        """The payer requests `amount` back."""
        self._mine(channel_id, replace(self._held(channel_id), pending_withdraw=amount))

    def finalize_withdraw(self, channel_id: Bytes32) -> int:
        """Pays out the requested amount, but nothing that the receiver has claimed; returns the amount paid."""
        held = self._held(channel_id)
        paid = min(held.pending_withdraw, held.balance - held.total_claimed)
        self._mine(channel_id, replace(held, balance=held.balance - paid, pending_withdraw=0))
        return paid

    def _held(self, channel_id: Bytes32) -> EscrowBalance:
        return self.channels.get(channel_id, EscrowBalance(0, 0, 0, 0))

    def _mine(self, channel_id: Bytes32, held: EscrowBalance) -> None:
        self.block += 1
        self.channels[channel_id] = replace(held, at_block=self.block)
