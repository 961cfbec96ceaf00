"""Whether a channel covers a request, and the transaction that holds its fee back.

capacity = min(signedMax, balance − pendingWithdraw) − charged − Σ reserved. A voucher is capacity, not a ticket: any
number of requests may run on one channel, and the order in which their vouchers arrive does not matter.
"""

from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from attribution.receipts import price
from contracts.crypto import Address, Bytes32
from contracts.structs import PriceList, Terms
from node.payments.authentication import SignedAsk
from node.payments.errors import (
    ChannelUnknown,
    NonceUsed,
    PaymentError,
    PaymentInvalid,
    PaymentRequired,
    VoucherStale,
)
from node.payments.receiver import Receiver
from node.payments.wire import OPENLORA_REQUEST
from node.store import channels, nonces, reservations
from node.store.channels import Channel
from node.store.reservations import Reservation


@dataclass(frozen=True, slots=True)
class Sale:
    """Price list and terms in force when a request was let in; terms None for the base and unregistered adapters."""

    adapter_key: Bytes32
    price_list: PriceList
    price_hash: Bytes32
    terms: Terms | None
    terms_hash: Bytes32


@dataclass(frozen=True, slots=True)
class Admission:
    """The right to run one request: `reserved` base units are held back, and it is never billed above them.

    started_at is the later of wall clock and chain head, so that the windows of price list and terms hold it.
    granted_tokens of output are covered.
    """

    request_id: str
    ask: SignedAsk
    payer: Address
    sale: Sale
    reserved: int
    granted_tokens: int
    started_at: int
    channel: Channel


def capacity(channel: Channel) -> int:
    """How much more the channel can be charged; below 0 while a payer withdraws what is already promised."""
    escrowed = max(channel.balance - channel.pending_withdraw, 0)
    return min(channel.signed_max, escrowed) - channel.charged - channel.reserved


def highest_fee(price_list: PriceList, prompt_tokens: int, max_new_tokens: int) -> int:
    """The most a request can cost: all output produced, and the dearer of a cold and a cached prompt."""
    cold = price(price_list, prompt_tokens, 0, max_new_tokens)
    cached = price(price_list, 0, prompt_tokens, max_new_tokens)
    return max(cold, cached)


def reserve(session: Session, ask: SignedAsk, receiver: Receiver, reservation: Reservation) -> Channel | PaymentError:
    """Keep the voucher, use up the nonce and hold the fee back; or the reason why not.

    A refusal is returned and not raised: the voucher that came along stays kept, nothing else changes.
    """
    request = ask.request
    channel = channels.find(session, request.channel_id)
    if channel is None:
        return ChannelUnknown(request.channel_id)
    if ask.signer != channel.config.payer_authorizer:
        key = channel.config.payer_authorizer
        return PaymentInvalid(f"{OPENLORA_REQUEST}.signature", f"is by {ask.signer}; the channel's key is {key}")
    channel = _with_voucher(session, channel, ask)
    if nonces.used(session, channel.channel_id, request.nonce):
        return NonceUsed(channel.channel_id, request.nonce)
    if not reservations.make(session, reservation):
        return shortfall(channel, ask, receiver, reservation.amount)
    nonces.use(session, channel.channel_id, request.nonce, request.deadline)
    return replace(channel, reserved=channel.reserved + reservation.amount)


def _with_voucher(session: Session, channel: Channel, ask: SignedAsk) -> Channel:
    """The channel once the voucher that came along is kept, if it is the newest."""
    if ask.voucher is None or ask.voucher.voucher.max_claimable_amount <= channel.signed_max:
        return channel
    signed_max, signature = ask.voucher.voucher.max_claimable_amount, ask.voucher.signature
    channels.raise_signed_max(session, channel.channel_id, signed_max, signature)
    return replace(channel, signed_max=signed_max, signed_max_signature=signature)


def shortfall(channel: Channel, ask: SignedAsk, receiver: Receiver, required: int) -> PaymentError:
    """Why `required` does not fit: the voucher is an old one, too little is signed, or too little is escrowed."""
    if ask.voucher is not None and ask.voucher.voucher.max_claimable_amount <= channel.charged:
        return VoucherStale(channel.charged, channel.reserved, channel.signed_max, required)
    needed = channel.charged + channel.reserved + required
    if channel.signed_max < needed:
        problem = f"Vouchers for {channel.signed_max} are signed; this request needs {needed}. Sign a voucher for that."
    else:
        escrowed = max(channel.balance - channel.pending_withdraw, 0)
        problem = f"The channel holds {escrowed}; this request needs {needed}. Deposit more."
    return PaymentRequired(problem, receiver, required, channel)
