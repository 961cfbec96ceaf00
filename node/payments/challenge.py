"""The two x402 documents that a node answers with: the 402 with its figures, and the settle response.

Source: x402 v2, HTTP transport (`PAYMENT-REQUIRED`, `PAYMENT-RESPONSE`) and scheme `batch-settlement`.
"""

from contracts.encoding import to_hex
from contracts.payment import X402_VERSION
from contracts.structs import UsageReceipt
from node.payments.errors import PaymentRequired, VoucherMismatch
from node.payments.receiver import Receiver
from node.payments.wire import PAYMENT_ID_PATTERN, PAYMENT_IDENTIFIER, requirements
from node.store.channels import Channel

_PAYMENT_IDENTIFIER = {
    "info": {"required": False},
    "schema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "required": {"type": "boolean"},
            "id": {"type": "string", "pattern": f"^{PAYMENT_ID_PATTERN}$"},
        },
        "required": ["required"],
    },
}
"""Clients may name their payments; the same name and request again get the same answer."""


def payment_required(error: PaymentRequired, resource_url: str) -> dict[str, object]:
    """The x402 v2 body of a 402; its base64 JSON is the `PAYMENT-REQUIRED` header.

    The figures that x402 has no name for are under `extensions.openlora`.
    """
    accept = requirements(error.receiver, error.required or 0)
    if error.channel is not None:
        charged = error.channel.announced if isinstance(error, VoucherMismatch) else error.channel.charged
        accept["extra"] = {**_members(accept["extra"]), **_snapshot(error.channel, charged)}
    return {
        "x402Version": X402_VERSION,
        "error": error.x402_error,
        "resource": {"url": resource_url, "description": "Inference on this node", "mimeType": "application/json"},
        "accepts": [accept],
        "extensions": {"openlora": {"info": error.numbers()}, PAYMENT_IDENTIFIER: _PAYMENT_IDENTIFIER},
    }


def payment_response(receiver: Receiver, channel: Channel, receipt: UsageReceipt | None) -> dict[str, object]:
    """The x402 v2 settle response; its base64 JSON is the `PAYMENT-RESPONSE` header.

    receipt: None before it exists, as when a stream's headers are sent; the amount charged is then left out. Vouchers
    are claimed on-chain together with a batch, later, so `transaction` is empty.
    """
    charged = {"chargedAmount": str(receipt.fee)} if receipt is not None else {}
    amount = {"amount": str(receipt.fee)} if receipt is not None else {}
    return amount | {
        "success": True,
        "payer": channel.config.payer,
        "transaction": "",
        "network": receiver.network,
        "extra": {**charged, **_snapshot(channel, channel.charged)},
    }


def voucher_response(
    receiver: Receiver, channel: Channel, announced: int, transaction: str | None = None
) -> dict[str, object]:
    """The settle response to a voucher without a signed request, whose client adds `announced` to its own sum.

    channel: its state after the announcement. transaction: of the deposit that came with the voucher.
    """
    return {
        "success": True,
        "payer": channel.config.payer,
        "transaction": transaction or "",
        "network": receiver.network,
        "amount": str(announced),
        "extra": {"chargedAmount": str(announced), **_snapshot(channel, channel.announced)},
    }


def _snapshot(channel: Channel, charged: int) -> dict[str, object]:
    """charged: the sum of charges that the client should believe in."""
    state = {
        "channelId": to_hex(channel.channel_id),
        "balance": str(channel.balance),
        "totalClaimed": str(channel.total_claimed),
        "withdrawRequestedAt": 0,
        "refundNonce": "0",
        "chargedCumulativeAmount": str(charged),
    }
    voucher = {"signedMaxClaimable": str(channel.signed_max)}
    if channel.signed_max_signature:
        voucher["signature"] = to_hex(channel.signed_max_signature)
    return {"channelState": state, "voucherState": voucher}


def _members(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value
