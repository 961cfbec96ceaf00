"""Whether a channel covers a request, and the database transaction that reserves its fee.

capacity = min(signedMax, balance − pendingWithdraw) − charged − Σ reserved. A voucher is capacity, not a ticket: any
number of requests may run on one channel, and the order in which their vouchers arrive does not matter.
"""

from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from contracts.crypto import Address, Bytes32
from contracts.payment import OPENLORA_REQUEST, SignedVoucher
from contracts.structs import PriceList, Terms
from node.payments.authentication import Consent, VerifiedRequest
from node.payments.errors import (
    ChannelBusy,
    ChannelUnknown,
    NonceUsed,
    PaymentError,
    PaymentInvalid,
    PaymentRequired,
    VoucherStale,
)
from node.payments.receiver import Receiver
from node.store import channels, nonces, reservations
from node.store.channels import Channel
from node.store.reservations import Reservation


@dataclass(frozen=True, slots=True)
class Sale:
    """The price list and terms in force when a request was admitted.

    terms: None for the base model and for adapters that nobody has registered.
    """

    adapter_key: Bytes32
    price_list: PriceList
    price_hash: Bytes32
    terms: Terms | None
    terms_hash: Bytes32


@dataclass(frozen=True, slots=True)
class Admission:
    """The right to run one request. `reserved` base units are held for it; it is never billed more.

    granted_tokens: the output tokens that the reservation covers. started_at: the later of the wall clock and the chain
    head's timestamp (unix seconds), which the windows of the price list and the terms contain.
    """

    request_id: str
    verified: Consent
    payer: Address
    sale: Sale
    reserved: int
    granted_tokens: int
    started_at: int
    channel: Channel


def capacity(channel: Channel) -> int:
    """How much more the channel can be charged; negative while a payer withdraws what is already promised."""
    return min(channel.signed_max, _claimable(channel)) - channel.charged - channel.reserved


def _claimable(channel: Channel) -> int:
    """What the escrow holds for the channel, less the withdrawals that were requested."""
    return max(channel.balance - channel.pending_withdraw, 0)


def reserve(
    session: Session, verified: VerifiedRequest, receiver: Receiver, reservation: Reservation
) -> Channel | PaymentError:
    """Stores the voucher, spends the nonce and reserves the fee. The channel afterwards, or the reason of a refusal.

    A refusal is returned, not raised: the request's voucher stays stored and nothing else changes.
    """
    request = verified.request
    channel = channels.find(session, request.channel_id)
    if channel is None:
        return ChannelUnknown(request.channel_id)
    if verified.signer != channel.config.payer_authorizer:
        key = channel.config.payer_authorizer
        return PaymentInvalid(f"{OPENLORA_REQUEST}.signature", f"is by {verified.signer}; the channel's key is {key}")
    if verified.voucher is not None:
        channel = with_voucher(session, channel, verified.voucher)
    if reservations.spends_voucher(session, channel.channel_id):
        return ChannelBusy(channel.channel_id)
    if nonces.used(session, channel.channel_id, request.nonce):
        return NonceUsed(channel.channel_id, request.nonce)
    if not reservations.make(session, reservation):
        return shortfall(channel, verified, receiver, reservation.amount)
    nonces.use(session, channel.channel_id, request.nonce, request.deadline)
    return replace(channel, reserved=channel.reserved + reservation.amount)


def with_voucher(session: Session, channel: Channel, voucher: SignedVoucher) -> Channel:
    """The channel after the voucher, if it is the newest, is stored."""
    if voucher.voucher.max_claimable_amount <= channel.signed_max:
        return channel
    signed_max, signature = voucher.voucher.max_claimable_amount, voucher.signature
    channels.raise_signed_max(session, channel.channel_id, signed_max, signature)
    return replace(channel, signed_max=signed_max, signed_max_signature=signature)


def shortfall(channel: Channel, verified: VerifiedRequest, receiver: Receiver, required: int) -> PaymentError:
    """Why `required` base units cannot be reserved: a stale voucher, too little signed, or too little in the escrow."""
    if verified.voucher is not None and verified.voucher.voucher.max_claimable_amount <= channel.charged:
        return VoucherStale(channel.charged, channel.reserved, channel.signed_max, required)
    needed = channel.charged + channel.reserved + required
    if channel.signed_max < needed:
        problem = f"Vouchers for {channel.signed_max} are signed; this request needs {needed}. Sign a voucher for that."
    else:
        problem = f"The channel holds {_claimable(channel)}; this request needs {needed}. Deposit more."
    return PaymentRequired(problem, receiver, required, channel)
