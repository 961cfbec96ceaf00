"""The two x402 documents that a node answers with: the 402 with its figures, and the settle response.

Source: x402 v2, HTTP transport (`PAYMENT-REQUIRED`, `PAYMENT-RESPONSE`) and scheme `batch-settlement`.
"""

from contracts.encoding import to_hex
from contracts.payment import X402_VERSION
from contracts.structs import UsageReceipt
from node.payments.errors import PaymentRequired
from node.payments.receiver import Receiver
from node.payments.wire import requirements
from node.store.channels import Channel


def payment_required(error: PaymentRequired, resource_url: str) -> dict[str, object]:
    """The x402 v2 body of a 402; its base64 JSON is the `PAYMENT-REQUIRED` header.

    The figures that x402 has no name for are under `extensions.openlora`.
    """
    accept = requirements(error.receiver, error.required or 0)
    if error.channel is not None:
        accept["extra"] = {**_members(accept["extra"]), **_snapshot(error.channel)}
    return {
        "x402Version": X402_VERSION,
        "error": str(error),
        "resource": {"url": resource_url, "description": "Inference on this node", "mimeType": "application/json"},
        "accepts": [accept],
        "extensions": {"openlora": {"info": error.numbers()}},
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
        "extra": {**charged, **_snapshot(channel)},
    }


def _snapshot(channel: Channel) -> dict[str, object]:
    state = {
        "channelId": to_hex(channel.channel_id),
        "balance": str(channel.balance),
        "totalClaimed": str(channel.total_claimed),
        "withdrawRequestedAt": 0,
        "refundNonce": "0",
        "chargedCumulativeAmount": str(channel.charged),
    }
    voucher = {"signedMaxClaimable": str(channel.signed_max)}
    if channel.signed_max_signature:
        voucher["signature"] = to_hex(channel.signed_max_signature)
    return {"channelState": state, "voucherState": voucher}


def _members(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value
