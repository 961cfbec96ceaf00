"""Opens channels, tops them up, and keeps their balances equal to the escrow's."""

import asyncio
from dataclasses import dataclass

from sqlalchemy.orm import Session

from contracts.crypto import Address, Bytes32
from contracts.encoding import rfc3339, to_hex
from contracts.payment import SignedDeposit, SignedVoucher
from contracts.x402 import ChannelConfig
from node.payments.acceptance import check_config, check_deposit, check_voucher
from node.payments.admission import capacity
from node.payments.errors import ChannelUnknown, PaymentInvalid, VoucherStale
from node.payments.receiver import Receiver
from node.payments.registrations import Escrow, EscrowBalance
from node.payments.relay_limit import RelayLimit
from node.payments.wire import parse_deposit, parse_voucher
from node.store import channels
from node.store.channels import Channel
from node.store.database import Database

PAGE = 100
SIMULATIONS = 8
"""How many deposits are simulated at once: keys without funds cost strangers nothing."""


def channel_json(channel: Channel) -> dict[str, object]:
    """A channel as the API shows it to its payer: amounts as decimal strings in base units, times as RFC 3339."""
    return {
        "channelId": to_hex(channel.channel_id),
        "channelConfig": channel.config.to_json(),
        "balance": str(channel.balance),
        "pendingWithdraw": str(channel.pending_withdraw),
        "totalClaimed": str(channel.total_claimed),
        "signedMax": str(channel.signed_max),
        "charged": str(channel.charged),
        "reserved": str(channel.reserved),
        "credit": str(channel.credit),
        "capacity": str(max(capacity(channel), 0)),
        "voucherSignature": to_hex(channel.signed_max_signature) if channel.signed_max_signature else None,
        "openedAt": rfc3339(channel.opened_at),
    }


@dataclass(frozen=True, slots=True)
class Opened:
    """A channel after its deposit was mined in `transaction`."""

    channel: Channel
    transaction: str


class Channels:
    """The channels that pay one receiver."""

    def __init__(self, database: Database, receiver: Receiver, escrow: Escrow, limit: RelayLimit | None = None) -> None:
        self._database, self._receiver, self._escrow = database, receiver, escrow
        self._limit = limit or RelayLimit()
        self._relays: dict[Bytes32, asyncio.Task[Opened]] = {}
        self._simulating = asyncio.Semaphore(SIMULATIONS)
        self._current_until: dict[Bytes32, int] = {}
        self._readings: dict[Bytes32, asyncio.Task[None]] = {}

    async def open(self, document: object, now: int) -> Opened:
        """Relays an x402 deposit that opens or tops up a channel, and returns once it is mined.

        The same deposit may be posted again at any time; it is sent once. `now` in unix seconds. Raises PaymentInvalid,
        ChannelRefused, RelayLimited, DepositFailed or SettlementUnknown.
        """
        deposit = parse_deposit(document, self._receiver)
        check_deposit(deposit, self._receiver, now)
        return await self.relay(deposit, now)

    async def relay(self, deposit: SignedDeposit, now: int) -> Opened:
        """Relays a deposit whose signatures are valid, and returns once it is mined.

        Raises ChannelRefused, RelayLimited, DepositFailed or SettlementUnknown.
        """
        nonce = deposit.authorization(self._receiver.chain_id).nonce
        relay = self._relays.get(nonce)
        if relay is None:
            relay = asyncio.create_task(self._relay(deposit, nonce, now))
            self._relays[nonce] = relay
            relay.add_done_callback(lambda done: self._forget(nonce, done))
        return await asyncio.shield(relay)  # a payer who disconnects cannot undo a transaction

    async def add_voucher(self, channel_id: Bytes32, document: object, now: int) -> Channel:
        """Accepts a voucher outside a request: a newer one raises what may be charged, an older one changes nothing.

        VoucherStale if it is not above what is charged already; PaymentInvalid, ChannelRefused or ChannelUnknown.
        """
        signed = parse_voucher(document, self._receiver)
        if check_voucher(signed, self._receiver, "voucher") != channel_id:
            raise PaymentInvalid("voucher.channelId", f"is not this channel, {to_hex(channel_id)}")
        channel = await self.find(channel_id) or await self.discover(signed.config, now)
        if signed.voucher.max_claimable_amount <= channel.charged:
            raise VoucherStale(channel.charged, channel.reserved, channel.signed_max, required=1)
        return await self._database.write(lambda session: _keep_voucher(session, channel_id, signed))

    async def find(self, channel_id: Bytes32) -> Channel | None:
        """The channel as the database has it; None if it is not known."""
        return await self._database.read(lambda session: channels.find(session, channel_id))

    async def get(self, channel_id: Bytes32) -> Channel:
        """The channel; ChannelUnknown if there is none."""
        channel = await self.find(channel_id)
        if channel is None:
            raise ChannelUnknown(channel_id)
        return channel

    async def of_payer(self, payer: Address, after: Bytes32 | None = None, limit: int = PAGE) -> tuple[Channel, ...]:
        """A page of a payer's channels in the order of their ids."""
        return await self._database.read(lambda session: channels.of_payer(session, payer, after, limit))

    async def discover(self, config: ChannelConfig, now: int) -> Channel:
        """Adds a channel that was funded without this node; ChannelUnknown if the escrow holds nothing for it."""
        check_config(config, self._receiver)
        channel_id = config.channel_id(self._receiver.chain_id)
        held = await self._escrow.balance(channel_id)
        if held.balance == 0:
            raise ChannelUnknown(channel_id)
        return await self._database.write(lambda session: _add(session, channel_id, config, held, now))

    async def refresh(self, channel_id: Bytes32) -> Channel:
        """Updates a channel from the escrow: deposits, withdrawals started or finished, and claims."""
        held = await self._escrow.balance(channel_id)
        return await self._database.write(lambda session: _set_escrowed(session, channel_id, held))

    async def make_current(self, channel_id: Bytes32, now: int) -> None:
        """Reads a known channel again if its last reading is older than half its withdraw delay. `now` in unix seconds.

        Money leaves a channel only a whole delay after its payer has asked for it, and the escrow shows that at once.
        So a channel read within the last half delay can pay, even if this node missed the event. Raises ChainError.
        """
        if now < self._current_until.get(channel_id, 0):
            return
        reading = self._readings.get(channel_id)
        if reading is None:
            reading = asyncio.create_task(self._make_current(channel_id, now))
            self._readings[channel_id] = reading
            reading.add_done_callback(lambda _: self._readings.pop(channel_id, None))
        await asyncio.shield(reading)

    async def refresh_all(self) -> int:
        """Updates every channel from the escrow, as after a restart; returns their number."""
        known = await self._database.read(channels.every)
        for channel in known:
            await self.refresh(channel.channel_id)
        return len(known)

    async def close(self) -> None:
        """Waits for deposits and readings in flight."""
        await asyncio.gather(*self._relays.values(), *self._readings.values(), return_exceptions=True)

    async def _make_current(self, channel_id: Bytes32, now: int) -> None:
        if await self.find(channel_id) is not None:
            channel = await self.refresh(channel_id)
            self._current_until[channel_id] = now + channel.config.withdraw_delay // 2

    async def _relay(self, deposit: SignedDeposit, nonce: Bytes32, now: int) -> Opened:
        signed, asked = deposit.voucher, (deposit.amount, deposit.collector_data(), nonce)
        async with self._simulating:
            await self._escrow.check_deposit(signed.config, *asked)
        self._limit.take(signed.config.payer, now)  # after the check: only a deposit that costs gas counts
        transaction = await self._escrow.relay_deposit(signed.config, *asked)
        channel = await self.discover(signed.config, now)
        channel = await self._database.write(lambda session: _keep_voucher(session, channel.channel_id, signed))
        return Opened(channel, transaction)

    def _forget(self, nonce: Bytes32, relay: "asyncio.Task[Opened]") -> None:
        self._relays.pop(nonce, None)
        if not relay.cancelled():
            relay.exception()  # every waiting caller got it; without one, the payer posts again


def _keep_voucher(session: Session, channel_id: Bytes32, signed: SignedVoucher) -> Channel:
    channels.raise_signed_max(session, channel_id, signed.voucher.max_claimable_amount, signed.signature)
    return _present(session, channel_id)


def _add(session: Session, channel_id: Bytes32, config: ChannelConfig, held: EscrowBalance, now: int) -> Channel:
    if channels.find(session, channel_id) is None:
        channels.add(
            session,
            Channel(
                channel_id=channel_id,
                config=config,
                balance=held.balance,
                pending_withdraw=held.pending_withdraw,
                total_claimed=held.total_claimed,
                escrow_block=held.at_block,
                signed_max=0,
                signed_max_signature=b"",
                charged=0,
                reserved=0,
                announced=0,
                opened_at=now,
            ),
        )
    return _set_escrowed(session, channel_id, held)


def _set_escrowed(session: Session, channel_id: Bytes32, held: EscrowBalance) -> Channel:
    channels.set_escrowed(
        session,
        channel_id,
        balance=held.balance,
        pending_withdraw=held.pending_withdraw,
        total_claimed=held.total_claimed,
        escrow_block=held.at_block,
    )
    return _present(session, channel_id)


def _present(session: Session, channel_id: Bytes32) -> Channel:
    channel = channels.find(session, channel_id)
    if channel is None:
        raise ChannelUnknown(channel_id)
    return channel
