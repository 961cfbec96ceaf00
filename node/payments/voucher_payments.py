"""Sells requests to stock x402 clients, which send a voucher, sometimes a deposit with it, and no signed request."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from contracts.crypto import Bytes32
from node.payments import voucher_admission
from node.payments.admission import Admission, Sale
from node.payments.authentication import VerifiedVoucher
from node.payments.channels import Channels, Opened
from node.payments.errors import ChannelUnknown, PaymentError, PaymentRequired, VoucherMismatch
from node.payments.lookups import Lookups
from node.payments.receiver import Receiver
from node.payments.releases import Releases
from node.payments.turns import Turns
from node.store.channels import Channel
from node.store.database import Database
from node.store.reservations import Reservation


@dataclass(frozen=True, slots=True)
class Order:
    """What a voucher is to pay for: `amount` base units at most, for `granted_tokens` output tokens.

    started_at: when the price of `sale` was taken, in unix seconds.
    """

    request_id: str
    sale: Sale
    amount: int
    granted_tokens: int
    started_at: int


class VoucherPayments:
    """Admits one request after the other on each channel."""

    def __init__(
        self,
        database: Database,
        receiver: Receiver,
        channels: Channels,
        *,
        releases: Releases,
        lookups: Lookups,
    ) -> None:
        self._database, self._receiver, self._channels = database, receiver, channels
        self._releases, self._lookups, self._turns = releases, lookups, Turns()
        self._running: dict[str, Bytes32] = {}

    async def admit(
        self, paid: VerifiedVoucher, order: Order, now: int, relayed: Callable[[Opened], None] = lambda opened: None
    ) -> Admission:
        """Waits for the channel's turn, relays the deposit, and reserves the amount. `now` in unix seconds.

        relayed: called as soon as a deposit is mined, whatever becomes of the request. Every admission must end in one
        `record` or release, and then in `ended`.

        Raises VoucherMismatch, PaymentRequired, ChannelBusy, and for deposits what `Channels.relay` raises.
        """
        await self._turns.take(paid.channel_id, paid.voucher_max)
        expected = None
        try:
            await self._judge(paid, order.amount, now)
            if paid.deposit is not None:
                relayed(await self._channels.relay(paid.deposit, now))
            await self._channels.make_current(paid.channel_id, now)
            channel = await self._spend(paid, order)
            self._running[order.request_id] = paid.channel_id
        except VoucherMismatch as error:
            expected = error.expected
            raise
        finally:
            if order.request_id not in self._running:
                self._turns.end(paid.channel_id, expected)
        return Admission(
            request_id=order.request_id,
            verified=paid,
            payer=channel.config.payer,
            sale=order.sale,
            reserved=order.amount,
            granted_tokens=order.granted_tokens,
            started_at=order.started_at,
            channel=channel,
        )

    async def announce(self, admission: Admission) -> tuple[Channel, int] | None:
        """Announces the ceiling of a stream before its first byte. See `voucher_admission.announce`."""
        return await self._database.write(
            lambda session: voucher_admission.announce(session, admission.request_id, admission.reserved)
        )

    def ended(self, request_id: str) -> None:
        """Gives the channel to the next request, once this one is charged or released. Does nothing for others."""
        channel_id = self._running.pop(request_id, None)
        if channel_id is not None:
            self._turns.end(channel_id)

    async def _judge(self, paid: VerifiedVoucher, amount: int, now: int) -> None:
        """Refuses a voucher that is wrong before its deposit costs gas."""
        channel = await self._known(paid, amount, now)
        if channel is not None:
            wrong = voucher_admission.refusal(channel, paid, self._receiver, amount)
            if wrong is not None:
                raise await self._database.write(lambda session: voucher_admission.kept(session, paid, wrong))
            voucher_admission.check_worth(channel, paid, amount)
        elif paid.deposit is None or paid.voucher_max != amount:
            raise PaymentRequired(str(ChannelUnknown(paid.channel_id)), self._receiver, amount)

    async def _known(self, paid: VerifiedVoucher, amount: int, now: int) -> Channel | None:
        """The channel, read again from the escrow if it is unknown or seems to lack money. Limited by the lookups."""
        channel = await self._channels.find(paid.channel_id)
        if channel is None:
            first = paid.deposit is not None and paid.voucher_max == amount
            if first or not self._lookups.take(paid.channel_id, now):
                return None
            try:
                return await self._channels.discover(paid.voucher.config, now)
            except ChannelUnknown:
                return None
        short = paid.deposit is None and channel.balance < channel.charged + amount
        if short and self._lookups.take(paid.channel_id, now):
            return await self._channels.refresh(paid.channel_id)
        return channel

    async def _spend(self, paid: VerifiedVoucher, order: Order) -> Channel:
        reservation = Reservation(
            order.request_id, paid.channel_id, order.amount, order.started_at, voucher_max=paid.voucher_max
        )

        def change(session: Session) -> Channel | PaymentError:
            return voucher_admission.spend(session, paid, self._receiver, reservation)

        try:
            outcome = await self._database.write(change)
        except asyncio.CancelledError:
            # the reservation may exist although its caller is gone; the writer runs this release after it
            self._releases.undo(order.request_id)
            raise
        if isinstance(outcome, PaymentError):
            raise outcome
        return outcome
