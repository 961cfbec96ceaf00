"""Who asks, and for exactly what: the signatures of a request, checked before anything costly runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.crypto import Address, Bytes32
from contracts.encoding import request_hash
from contracts.structs import InferenceRequest
from node.payments.acceptance import check_voucher, signer_of
from node.payments.errors import PaymentInvalid, PaymentRequired, RequestExpired
from node.payments.receiver import Receiver
from node.payments.wire import OPENLORA_REQUEST, PAYMENT_SIGNATURE, SignedVoucher, parse_headers

MAX_LIFETIME_S = 300


@dataclass(frozen=True, slots=True)
class SignedAsk:
    """A request whose signatures hold.

    signer: who signed the request; admission compares it with the channel's key. voucher: what came along, for the
    same channel and by the same signer; None where the client relies on capacity it has.
    """

    request: InferenceRequest
    request_digest: Bytes32
    request_signature: bytes
    signer: Address
    voucher: SignedVoucher | None


def authenticate(
    receiver: Receiver, headers: Mapping[str, str], *, method: str, path_with_query: str, body: bytes, now: int
) -> SignedAsk:
    """The signed ask of one HTTP request.

    PaymentRequired if it carries no payment (without a price, which depends on what is asked); PaymentInvalid,
    RequestExpired or ChannelRefused if it does but must not be served.
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
    return SignedAsk(request, digest, payment.signed_request.signature, signer, payment.signed_voucher)


def _check_consent(request: InferenceRequest, receiver: Receiver, asked: Bytes32, now: int) -> None:
    if request.node != receiver.vault:
        raise PaymentInvalid(f"{OPENLORA_REQUEST}.request.node", f"is {request.node}; this node is {receiver.vault}")
    if request.deadline <= now:
        raise RequestExpired(request.deadline, now)
    if request.deadline > now + MAX_LIFETIME_S:
        raise PaymentInvalid(
            f"{OPENLORA_REQUEST}.request.deadline",
            f"is {request.deadline - now} s ahead; at most {MAX_LIFETIME_S} s are allowed (it is {now} here)",
        )
    if request.request_hash != asked:
        raise PaymentInvalid(
            f"{OPENLORA_REQUEST}.request.requestHash",
            f"is for another method, path or body; these bytes hash to 0x{asked.hex()}",
        )


def _check_pair(request: InferenceRequest, signer: Address, voucher: SignedVoucher, receiver: Receiver) -> None:
    """Voucher and request belong to one channel and one key."""
    channel_id = check_voucher(voucher, receiver, f"{PAYMENT_SIGNATURE}.payload.voucher")
    if request.channel_id != channel_id:
        raise PaymentInvalid(
            f"{OPENLORA_REQUEST}.request.channelId", f"is not the voucher's channel, 0x{channel_id.hex()}"
        )
    if signer != voucher.config.payer_authorizer:
        raise PaymentInvalid(
            f"{OPENLORA_REQUEST}.signature",
            f"is by {signer}; the channel's payerAuthorizer is {voucher.config.payer_authorizer}",
        )
