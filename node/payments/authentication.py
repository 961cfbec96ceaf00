"""Checks who signed a request, and that they signed exactly this one, before anything costly runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.crypto import Address, Bytes32
from contracts.encoding import request_hash, to_hex
from contracts.payment import OPENLORA_REQUEST, PAYMENT_SIGNATURE, SignedVoucher
from contracts.structs import MAX_REQUEST_LIFETIME_S, InferenceRequest
from node.payments.acceptance import check_voucher, signer_of
from node.payments.errors import PaymentInvalid, PaymentRequired, RequestExpired
from node.payments.receiver import Receiver
from node.payments.wire import parse_headers


@dataclass(frozen=True, slots=True)
class VerifiedRequest:
    """A signed request whose signatures are valid.

    signer: who signed the request; admission compares it with the channel's key. voucher: the voucher sent with it, for
    the same channel and by the same signer; None where the client relies on capacity that the channel already has.
    """

    request: InferenceRequest
    request_digest: Bytes32
    request_signature: bytes
    signer: Address
    voucher: SignedVoucher | None


def authenticate(
    receiver: Receiver, headers: Mapping[str, str], *, method: str, path_with_query: str, body: bytes, now: int
) -> VerifiedRequest:
    """The verified request behind one HTTP request. `now` in unix seconds.

    PaymentRequired if it carries no payment; its price is not known here. PaymentInvalid, RequestExpired or
    ChannelRefused if it carries a payment that must not be accepted.
    """
    payment = parse_headers(headers, receiver)
    if payment is None:
        raise PaymentRequired("This node is paid per request; the call carries no payment.", receiver, required=None)
    request = payment.signed_request.request
    _check_consent(request, receiver, request_hash(method, path_with_query, body), now)
    digest = request.digest(receiver.domain)
    signer = signer_of(digest, payment.signed_request.signature, f"{OPENLORA_REQUEST}.signature")
    if payment.signed_voucher is not None:
        _check_pair(request, signer, payment.signed_voucher, receiver)
    return VerifiedRequest(request, digest, payment.signed_request.signature, signer, payment.signed_voucher)


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
