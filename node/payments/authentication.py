"""Checks who signed a request, and that they signed exactly this one, before anything costly runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.crypto import Address, Bytes32
from contracts.encoding import request_hash, to_hex
from contracts.payment import OPENLORA_REQUEST, PAYMENT_SIGNATURE, SignedDeposit, SignedVoucher
from contracts.structs import MAX_REQUEST_LIFETIME_S, InferenceRequest
from node.payments.acceptance import check_deposit, check_voucher, signer_of
from node.payments.errors import PaymentInvalid, PaymentRequired, RequestExpired
from node.payments.receiver import Receiver
from node.payments.wire import PaymentHeaders, parse_headers


@dataclass(frozen=True, slots=True)
class VerifiedRequest:
    """A signed request whose signatures are valid.

    signer: who signed the request; admission compares it with the channel's key. voucher: the voucher sent with it, for
    the same channel and by the same signer; None where the client relies on capacity that the channel already has.
    payment_id: the client's name for the payment (x402 extension `payment-identifier`), if it has one.
    """

    request: InferenceRequest
    request_digest: Bytes32
    request_signature: bytes
    signer: Address
    voucher: SignedVoucher | None
    payment_id: str | None = None

    @property
    def channel_id(self) -> Bytes32:
        """The channel that pays."""
        return self.request.channel_id

    @property
    def voucher_max(self) -> int | None:
        """None: any voucher of the channel may cover the request."""
        return None


@dataclass(frozen=True, slots=True)
class VerifiedVoucher:
    """The payment of a stock x402 client: a voucher whose signature is valid, and no signed request.

    The voucher is the consent, so it pays for one request only, and `request_digest` is its digest. deposit: the money
    that it came with, still to be relayed. payment_id: the client's name for the payment.
    """

    voucher: SignedVoucher
    request_digest: Bytes32
    deposit: SignedDeposit | None
    payment_id: str | None = None

    @property
    def channel_id(self) -> Bytes32:
        """The channel that pays."""
        return self.voucher.voucher.channel_id

    @property
    def signer(self) -> Address:
        """Who signed the voucher: the channel's key."""
        return self.voucher.config.payer_authorizer

    @property
    def voucher_max(self) -> int:
        """The cumulative amount that the voucher promises, in base units."""
        return self.voucher.voucher.max_claimable_amount


Consent = VerifiedRequest | VerifiedVoucher
"""What a payer signed for one request."""


def authenticate(
    receiver: Receiver, headers: Mapping[str, str], *, method: str, path_with_query: str, body: bytes, now: int
) -> Consent:
    """The verified consent behind one HTTP request. `now` in unix seconds.

    PaymentRequired if it carries no payment; its price is not known here. PaymentInvalid, RequestExpired or
    ChannelRefused if it carries a payment that must not be accepted.
    """
    payment = parse_headers(headers, receiver)
    if payment is None:
        raise PaymentRequired("This node is paid per request; the call carries no payment.", receiver, required=None)
    if payment.signed_request is None:
        return _authenticate_voucher(payment, receiver, now)
    request = payment.signed_request.request
    _check_consent(request, receiver, request_hash(method, path_with_query, body), now)
    digest = request.digest(receiver.domain)
    signer = signer_of(digest, payment.signed_request.signature, f"{OPENLORA_REQUEST}.signature")
    if payment.signed_voucher is not None:
        _check_pair(request, signer, payment.signed_voucher, receiver)
    return VerifiedRequest(request, digest, payment.signed_request.signature, signer, payment.signed_voucher)


def _authenticate_voucher(payment: PaymentHeaders, receiver: Receiver, now: int) -> VerifiedVoucher:
    voucher = payment.signed_voucher
    assert voucher is not None, "a payment has at least one of both headers"
    if payment.deposit is not None:
        check_deposit(payment.deposit, receiver, now)
    else:
        check_voucher(voucher, receiver, f"{PAYMENT_SIGNATURE}.payload.voucher")
    digest = voucher.voucher.digest(receiver.escrow_domain)
    return VerifiedVoucher(voucher, digest, payment.deposit, payment.payment_id)


def _check_consent(request: InferenceRequest, receiver: Receiver, received_hash: Bytes32, now: int) -> None:
    """The payer signed for this node, for the bytes that were received, and for now."""
    if request.node != receiver.vault:
        raise PaymentInvalid(f"{OPENLORA_REQUEST}.request.node", f"is {request.node}; this node is {receiver.vault}")
    if request.deadline <= now:
        raise RequestExpired(request.deadline, now)
    if request.deadline > now + MAX_REQUEST_LIFETIME_S:
        raise PaymentInvalid(
            f"{OPENLORA_REQUEST}.request.deadline",
            f"is {request.deadline - now} s ahead; at most {MAX_REQUEST_LIFETIME_S} s are allowed (it is {now} here)",
        )
    if request.request_hash != received_hash:
        raise PaymentInvalid(
            f"{OPENLORA_REQUEST}.request.requestHash",
            f"is for another method, path or body; these bytes hash to {to_hex(received_hash)}",
        )


def _check_pair(request: InferenceRequest, signer: Address, voucher: SignedVoucher, receiver: Receiver) -> None:
    """The voucher and the request belong to one channel and one key."""
    channel_id = check_voucher(voucher, receiver, f"{PAYMENT_SIGNATURE}.payload.voucher")
    if request.channel_id != channel_id:
        raise PaymentInvalid(
            f"{OPENLORA_REQUEST}.request.channelId", f"is not the voucher's channel, {to_hex(channel_id)}"
        )
    if signer != voucher.config.payer_authorizer:
        raise PaymentInvalid(
            f"{OPENLORA_REQUEST}.signature",
            f"is by {signer}; the channel's payerAuthorizer is {voucher.config.payer_authorizer}",
        )
