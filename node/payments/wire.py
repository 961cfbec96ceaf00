"""The payment headers and payloads strangers send, parsed once into values. Signatures are checked elsewhere.

Source: x402 v2, HTTP transport and scheme `batch-settlement` on EVM; header `OpenLoRA-Request` is ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from eth_abi.abi import encode

from contracts.crypto import Bytes32
from contracts.structs import InferenceRequest
from contracts.x402 import ChannelConfig, Voucher, deposit_nonce
from node.payments.document import Document, to_header
from node.payments.errors import PaymentInvalid
from node.payments.receiver import Receiver

PAYMENT_SIGNATURE = "PAYMENT-SIGNATURE"
PAYMENT_REQUIRED = "PAYMENT-REQUIRED"
PAYMENT_RESPONSE = "PAYMENT-RESPONSE"
OPENLORA_REQUEST = "OpenLoRA-Request"

X402_VERSION = 2
SCHEME = "batch-settlement"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The content of `OpenLoRA-Request`."""

    request: InferenceRequest
    signature: bytes

    def to_header(self) -> str:
        return to_header({"request": self.request.to_json(), "signature": "0x" + self.signature.hex()})


@dataclass(frozen=True, slots=True)
class SignedVoucher:
    """An x402 voucher with the channel it belongs to."""

    config: ChannelConfig
    voucher: Voucher
    signature: bytes

    def to_payload(self) -> dict[str, object]:
        return {
            "type": "voucher",
            "channelConfig": self.config.to_json() | {"withdrawDelay": self.config.withdraw_delay},
            "voucher": self.voucher.to_json() | {"signature": "0x" + self.signature.hex()},
        }


@dataclass(frozen=True, slots=True)
class Deposit:
    """An x402 deposit by ERC-3009: who funds which channel with how much, and the first voucher."""

    signed: SignedVoucher
    amount: int
    valid_after: int
    valid_before: int
    salt: int
    signature: bytes

    def authorization_nonce(self, chain_id: int) -> Bytes32:
        return deposit_nonce(self.signed.config.channel_id(chain_id), self.salt)

    def collector_data(self) -> bytes:
        """abi.encode(uint256 validAfter, uint256 validBefore, uint256 salt, bytes signature)."""
        kinds = ("uint256", "uint256", "uint256", "bytes")
        return encode(kinds, (self.valid_after, self.valid_before, self.salt, self.signature))

    def to_payload(self) -> dict[str, object]:
        authorization = {
            "validAfter": str(self.valid_after),
            "validBefore": str(self.valid_before),
            "salt": f"0x{self.salt:064x}",
            "signature": "0x" + self.signature.hex(),
        }
        deposit = {"amount": str(self.amount), "authorization": {"erc3009Authorization": authorization}}
        return self.signed.to_payload() | {"type": "deposit", "deposit": deposit}


@dataclass(frozen=True, slots=True)
class PaymentHeaders:
    """What a request carries: both headers, or the signed request alone while capacity suffices."""

    signed_request: SignedRequest
    signed_voucher: SignedVoucher | None


def parse_headers(headers: Mapping[str, str], receiver: Receiver) -> PaymentHeaders | None:
    """The payment of a request; None if it carries none at all. PaymentInvalid names the malformed member."""
    found = _payment_headers(headers)
    if "x-payment" in found:
        raise PaymentInvalid("X-PAYMENT", f"belongs to x402 v1; this node speaks v2: send {PAYMENT_SIGNATURE}")
    if not found:
        return None
    if OPENLORA_REQUEST.lower() not in found:
        raise PaymentInvalid(
            OPENLORA_REQUEST,
            "is missing: sign an InferenceRequest for this body with the channel's key and send it beside "
            f"{PAYMENT_SIGNATURE} (openlora-node's WalletAuth does). A voucher alone does not say what it pays for; "
            "stock x402 clients, which send only that, are not served by this version",
        )
    voucher = found.get(PAYMENT_SIGNATURE.lower())
    return PaymentHeaders(
        parse_request(found[OPENLORA_REQUEST.lower()]),
        parse_payment_signature(voucher, receiver) if voucher is not None else None,
    )


def parse_request(header: str) -> SignedRequest:
    """The value of an `OpenLoRA-Request` header."""
    document = Document.from_header(OPENLORA_REQUEST, header)
    document.only("request", "signature")
    return SignedRequest(document.struct("request", InferenceRequest), document.signature("signature"))


def parse_payment_signature(header: str, receiver: Receiver) -> SignedVoucher:
    """The voucher in a `PAYMENT-SIGNATURE` header."""
    payload = _accepted_payload(Document.from_header(PAYMENT_SIGNATURE, header), receiver)
    kind = payload.text("type")
    if kind == "deposit":
        raise PaymentInvalid(
            f"{payload.path}.type", "open the channel with POST /payments/channels, then send vouchers"
        )
    return _signed_voucher(payload, "voucher")


def parse_voucher(body: object, receiver: Receiver) -> SignedVoucher:
    """A voucher posted to a channel: an x402 PaymentPayload, or its `payload` alone."""
    return _signed_voucher(_payload_of(body, receiver), "voucher")


def parse_deposit(body: object, receiver: Receiver) -> Deposit:
    """A deposit posted to open or top up a channel: an x402 PaymentPayload, or its `payload` alone."""
    payload = _payload_of(body, receiver)
    signed = _signed_voucher(payload, "deposit")
    deposit = payload.nested("deposit")
    authorization = deposit.nested("authorization")
    if "erc3009Authorization" not in authorization:
        raise PaymentInvalid(f"{authorization.path}.erc3009Authorization", "is missing; Permit2 is not accepted here")
    erc3009 = authorization.nested("erc3009Authorization")
    return Deposit(
        signed=signed,
        amount=deposit.uint("amount", 128),
        valid_after=erc3009.uint("validAfter", 256),
        valid_before=erc3009.uint("validBefore", 256),
        salt=erc3009.salt("salt"),
        signature=erc3009.signature("signature"),
    )


def payment_payload(payload: dict[str, object], receiver: Receiver, amount: int) -> dict[str, object]:
    """The x402 v2 PaymentPayload around a voucher or deposit; its base64 JSON is a `PAYMENT-SIGNATURE` header."""
    return {"x402Version": X402_VERSION, "payload": payload, "accepted": requirements(receiver, amount)}


def requirements(receiver: Receiver, amount: int) -> dict[str, object]:
    """x402 v2 PaymentRequirements: pay `amount` base units to this node through a channel."""
    return {
        "scheme": SCHEME,
        "network": receiver.network,
        "asset": receiver.token,
        "amount": str(amount),
        "payTo": receiver.vault,
        "maxTimeoutSeconds": 300,
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
    wanted = {OPENLORA_REQUEST.lower(), PAYMENT_SIGNATURE.lower(), "x-payment"}
    found: dict[str, str] = {}
    for name, value in headers.items():
        if name.lower() in wanted:
            if name.lower() in found:
                raise PaymentInvalid(name, "is sent twice")
            found[name.lower()] = value
    return found


def _payload_of(body: object, receiver: Receiver) -> Document:
    document = Document.of("body", body)
    return _accepted_payload(document, receiver) if "x402Version" in document else document


def _accepted_payload(document: Document, receiver: Receiver) -> Document:
    """The scheme's payload, once the envelope is known to accept one of our requirements."""
    if document.uint("x402Version", 32) != X402_VERSION:
        raise PaymentInvalid(f"{document.path}.x402Version", f"must be {X402_VERSION}")
    accepted = document.nested("accepted")
    expected = {"scheme": SCHEME, "network": receiver.network}
    for name, value in expected.items():
        if accepted.text(name) != value:
            raise PaymentInvalid(f"{accepted.path}.{name}", f"must be {value}")
    for name, address in {"asset": receiver.token, "payTo": receiver.vault}.items():
        if accepted.address(name) != address:
            raise PaymentInvalid(f"{accepted.path}.{name}", f"must be {address}")
    return document.nested("payload")


def _signed_voucher(payload: Document, kind: str) -> SignedVoucher:
    if payload.text("type") != kind:
        raise PaymentInvalid(f"{payload.path}.type", f"must be {kind!r}")
    voucher = payload.nested("voucher")
    return SignedVoucher(
        config=payload.struct("channelConfig", ChannelConfig),
        voucher=Voucher(voucher.bytes32("channelId"), voucher.uint("maxClaimableAmount", 128)),
        signature=voucher.signature("signature"),
    )
