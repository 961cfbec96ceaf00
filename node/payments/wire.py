"""Parses the payment headers and payloads that clients send. Signatures are checked in `node.payments.acceptance`.

Source: x402 v2, HTTP transport and scheme `batch-settlement` on EVM; the header `OpenLoRA-Request` is ours.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.document import Document
from contracts.payment import (
    OPENLORA_REQUEST,
    PAYMENT_SIGNATURE,
    SCHEME,
    X402_VERSION,
    SignedDeposit,
    SignedRequest,
    SignedVoucher,
)
from contracts.structs import MAX_REQUEST_LIFETIME_S, InferenceRequest
from contracts.x402 import ChannelConfig, Voucher
from node.payments.errors import PaymentInvalid
from node.payments.receiver import Receiver

MAX_HEADER_BYTES = 8192
SIGNATURE_BYTES = 65
PAYMENT_IDENTIFIER = "payment-identifier"
"""The x402 extension by which a client names a payment."""
PAYMENT_ID_PATTERN = r"[a-zA-Z0-9_-]{16,128}"
_X402_V1_HEADER = "X-PAYMENT"


@dataclass(frozen=True, slots=True)
class PaymentHeaders:
    """The payment of one request, with at least one of both headers.

    signed_request: None from stock x402 clients, whose voucher is the consent. signed_voucher: None while the channel
    has capacity left. deposit: what the voucher came with, from stock clients whose channel lacks money. payment_id:
    the client's name for the payment, of the extension `payment-identifier`.
    """

    signed_request: SignedRequest | None
    signed_voucher: SignedVoucher | None
    deposit: SignedDeposit | None = None
    payment_id: str | None = None


def parse_headers(headers: Mapping[str, str], receiver: Receiver) -> PaymentHeaders | None:
    """The payment of a request; None if it carries none at all. PaymentInvalid names the malformed member."""
    found = _payment_headers(headers)
    if _X402_V1_HEADER in found:
        raise PaymentInvalid(_X402_V1_HEADER, f"belongs to x402 v1; this node speaks v2: send {PAYMENT_SIGNATURE}")
    if not found:
        return None
    if OPENLORA_REQUEST not in found:
        return _stock_payment(_header_document(PAYMENT_SIGNATURE, found[PAYMENT_SIGNATURE]), receiver)
    voucher = found.get(PAYMENT_SIGNATURE)
    return PaymentHeaders(
        parse_request(found[OPENLORA_REQUEST]),
        parse_payment_signature(voucher, receiver) if voucher is not None else None,
    )


def _stock_payment(document: Document, receiver: Receiver) -> PaymentHeaders:
    """The payment of a client that sends `PAYMENT-SIGNATURE` alone."""
    payload, payment_id = _accepted_payload(document, receiver), _payment_id(document)
    if payload.text("type") == "deposit":
        deposit = _deposit(payload)
        return PaymentHeaders(None, deposit.voucher, deposit, payment_id)
    return PaymentHeaders(None, _signed_voucher(payload, "voucher"), payment_id=payment_id)


def _payment_id(document: Document) -> str | None:
    """The id of the extension `payment-identifier`; None if the client gave none."""
    for name in ("extensions", PAYMENT_IDENTIFIER, "info"):
        if name not in document:
            return None
        document = document.nested(name)
    if "id" not in document:
        return None
    given = document.text("id")
    if not re.fullmatch(PAYMENT_ID_PATTERN, given):
        raise document.wrong("id", "must have 16 to 128 letters, digits, hyphens and underscores")
    return given


def parse_request(header: str) -> SignedRequest:
    """The value of an `OpenLoRA-Request` header; PaymentInvalid names the malformed member."""
    document = _header_document(OPENLORA_REQUEST, header)
    document.only("request", "signature")
    return SignedRequest(document.struct("request", InferenceRequest), _signature(document, "signature"))


def parse_payment_signature(header: str, receiver: Receiver) -> SignedVoucher:
    """The voucher in a `PAYMENT-SIGNATURE` header; PaymentInvalid names the malformed member."""
    payload = _accepted_payload(_header_document(PAYMENT_SIGNATURE, header), receiver)
    kind = payload.text("type")
    if kind == "deposit":
        raise payload.wrong("type", "open the channel with POST /payments/channels, then send vouchers")
    return _signed_voucher(payload, "voucher")


def parse_voucher(body: object, receiver: Receiver) -> SignedVoucher:
    """A voucher posted to a channel: an x402 PaymentPayload, or its `payload` alone."""
    return _signed_voucher(_payload_of(body, receiver), "voucher")


def parse_deposit(body: object, receiver: Receiver) -> SignedDeposit:
    """A deposit posted to open or top up a channel: an x402 PaymentPayload, or its `payload` alone."""
    return _deposit(_payload_of(body, receiver))


def _deposit(payload: Document) -> SignedDeposit:
    voucher = _signed_voucher(payload, "deposit")
    deposit = payload.nested("deposit")
    authorization = deposit.nested("authorization")
    if "erc3009Authorization" not in authorization:
        raise authorization.wrong("erc3009Authorization", "is missing; Permit2 is not accepted here")
    erc3009 = authorization.nested("erc3009Authorization")
    return SignedDeposit(
        voucher=voucher,
        amount=deposit.uint("amount", 128),
        valid_after=erc3009.uint("validAfter"),
        valid_before=erc3009.uint("validBefore"),
        salt=_salt(erc3009, "salt"),
        signature=_signature(erc3009, "signature"),
    )


def requirements(receiver: Receiver, amount: int) -> dict[str, object]:
    """x402 v2 PaymentRequirements: pay `amount` base units to this node through a channel."""
    return {
        "scheme": SCHEME,
        "network": receiver.network,
        "asset": receiver.token,
        "amount": str(amount),
        "payTo": receiver.vault,
        "maxTimeoutSeconds": MAX_REQUEST_LIFETIME_S,
        "extra": {
            "receiverAuthorizer": receiver.vault,
            "withdrawDelay": receiver.min_withdraw_delay_s,
            "name": receiver.token_name,
            "version": receiver.token_version,
            "assetTransferMethod": "eip3009",
            "minDeposit": str(receiver.min_deposit),
        },
    }


def _payment_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers about payment under their canonical names. HTTP header names ignore case."""
    canonical = {name.lower(): name for name in (OPENLORA_REQUEST, PAYMENT_SIGNATURE, _X402_V1_HEADER)}
    found: dict[str, str] = {}
    for name, value in headers.items():
        known = canonical.get(name.lower())
        if known in found:
            raise PaymentInvalid(name, "is sent twice")
        if known is not None:
            found[known] = value
    return found


def _header_document(name: str, value: str) -> Document:
    """The object in a base64 JSON header."""
    if len(value) > MAX_HEADER_BYTES:
        raise PaymentInvalid(name, f"is larger than {MAX_HEADER_BYTES} bytes")
    try:
        raw = base64.b64decode(value.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise PaymentInvalid(name, "is not base64") from error
    try:
        found = json.loads(raw, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise PaymentInvalid(name, f"does not hold JSON: {str(error)[:120]}") from error
    return Document.of(found, name, PaymentInvalid)


def _payload_of(body: object, receiver: Receiver) -> Document:
    document = Document.of(body, "body", PaymentInvalid)
    return _accepted_payload(document, receiver) if "x402Version" in document else document


def _accepted_payload(document: Document, receiver: Receiver) -> Document:
    """The scheme's payload, once the envelope is known to accept this node's requirements."""
    if document.uint("x402Version", 32) != X402_VERSION:
        raise document.wrong("x402Version", f"must be {X402_VERSION}")
    accepted = document.nested("accepted")
    for name, value in {"scheme": SCHEME, "network": receiver.network}.items():
        if accepted.text(name) != value:
            raise accepted.wrong(name, f"must be {value}")
    for name, address in {"asset": receiver.token, "payTo": receiver.vault}.items():
        if accepted.address(name) != address:
            raise accepted.wrong(name, f"must be {address}")
    return document.nested("payload")


def _signed_voucher(payload: Document, kind: str) -> SignedVoucher:
    if payload.text("type") != kind:
        raise payload.wrong("type", f"must be {kind!r}")
    voucher = payload.nested("voucher")
    return SignedVoucher(
        config=payload.struct("channelConfig", ChannelConfig),
        voucher=Voucher(voucher.bytes32("channelId"), voucher.uint("maxClaimableAmount", 128)),
        signature=_signature(voucher, "signature"),
    )


def _signature(document: Document, name: str) -> bytes:
    """65 bytes of r ‖ s ‖ v. Whether they are a valid signature is checked by the caller."""
    value = document.raw_bytes(name)
    if len(value) != SIGNATURE_BYTES:
        raise document.wrong(name, f"must be {SIGNATURE_BYTES} bytes; contract signatures are not accepted here")
    return value


def _salt(document: Document, name: str) -> int:
    """A uint256 that x402 clients write as 0x hex or as decimal."""
    value = document.value(name)
    if isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]{1,64}", value):
        return int(value, 16)
    return document.uint(name)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
