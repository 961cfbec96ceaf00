"""Whether a voucher without a signed request pays for a request: the rules, and the transactions that spend it.

Such a voucher must be for exactly `announced + amount`, and no receipt may name it yet. Its channel is the request's
alone while it runs: the receipt names this voucher, so no other charge may come between the voucher and its fee.
"""

from dataclasses import replace

from sqlalchemy.orm import Session

from node.payments.admission import capacity, with_voucher
from node.payments.announcement import charge_of_stream
from node.payments.authentication import VerifiedVoucher
from node.payments.errors import ChannelBusy, ChannelRefused, ChannelUnknown, PaymentError, VoucherMismatch
from node.payments.receiver import Receiver
from node.store import channels, receipts, reservations
from node.store.channels import Channel
from node.store.reservations import Reservation


def refusal(channel: Channel, paid: VerifiedVoucher, receiver: Receiver, amount: int) -> VoucherMismatch | None:
    """Why the voucher does not pay `amount` base units; None if it is for exactly the right sum."""
    expected = channel.announced + amount
    if paid.voucher_max == expected:
        return None
    problem = (
        f"The voucher is for {paid.voucher_max}; {channel.announced} was charged before, and this request may cost "
        f"{amount}. Sign a voucher for {expected}."
    )
    return VoucherMismatch(problem, receiver, amount, channel)


def kept(session: Session, paid: VerifiedVoucher, wrong: VoucherMismatch) -> VoucherMismatch:
    """The refusal with the voucher stored: an x402 client recovers only from a voucher that it signed itself."""
    channel = with_voucher(session, channels.get(session, paid.channel_id), paid.voucher)
    return VoucherMismatch(str(wrong), wrong.receiver, wrong.required, channel)


def check_worth(channel: Channel, paid: VerifiedVoucher, amount: int) -> None:
    """Refuses a deposit that leaves the channel short of `amount`, before it is relayed. Raises ChannelRefused."""
    if paid.deposit is None:
        return
    short = channel.charged + channel.reserved + amount - max(channel.balance - channel.pending_withdraw, 0)
    if paid.deposit.amount < short:
        raise ChannelRefused("deposit.amount", f"is {paid.deposit.amount}; this request needs {short} more")


def spend(
    session: Session, paid: VerifiedVoucher, receiver: Receiver, reservation: Reservation
) -> Channel | PaymentError:
    """Stores the voucher and reserves the fee. The channel afterwards, or the reason of a refusal.

    A refusal is returned, not raised: the voucher stays stored. If a receipt names it already, one unit is announced as
    charged, so that the next voucher is another one.
    """
    amount = reservation.amount
    channel = channels.find(session, paid.channel_id)
    if channel is None:
        return ChannelUnknown(paid.channel_id)
    if channel.reserved:
        return ChannelBusy(paid.channel_id)
    channel = with_voucher(session, channel, paid.voucher)
    wrong = refusal(channel, paid, receiver, amount)
    if wrong is not None:
        return wrong
    if receipts.names_digest(session, paid.request_digest):
        channels.announce(session, paid.channel_id, 1)
        channel = replace(channel, announced=channel.announced + 1)
        problem = f"The voucher was spent already. Sign a voucher for {channel.announced + amount}."
        return VoucherMismatch(problem, receiver, amount, channel)
    if not reservations.make(session, reservation):
        problem = f"The channel has {max(capacity(channel), 0)} left; this request needs {amount}. Deposit more."
        return VoucherMismatch(problem, receiver, amount, channel)
    return replace(channel, reserved=channel.reserved + amount)


def announce(session: Session, request_id: str, amount: int) -> tuple[Channel, int] | None:
    """Announces the ceiling of a request that still runs: its channel afterwards, and the charge that was announced.

    amount: the most that the request can cost. None if it has ended: then its receipt says what was charged. A second
    call announces nothing more.
    """
    held = reservations.find(session, request_id)
    if held is None:
        return None
    if held.announced:
        return channels.get(session, held.channel_id), held.announced
    more = charge_of_stream(amount, channels.get(session, held.channel_id).credit)
    reservations.announce(session, request_id, more)
    return channels.get(session, held.channel_id), more
