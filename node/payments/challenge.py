"""What a client is told about paying: the 402 with its numbers, and the receipt's summary in x402's words.

Source: x402 v2, HTTP transport (`PAYMENT-REQUIRED`, `PAYMENT-RESPONSE`) and scheme `batch-settlement`.
"""

from contracts.structs import UsageReceipt
from node.payments.errors import PaymentRequired
from node.payments.receiver import Receiver
from node.payments.wire import X402_VERSION, requirements
from node.store.channels import Channel


def payment_required(error: PaymentRequired, resource_url: str) -> dict[str, object]:
    """The x402 v2 body of a 402; its base64 JSON is the `PAYMENT-REQUIRED` header. Ours are under `extensions`."""
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

    Before the receipt exists (a stream's headers go first) the amount charged is not given. The claim on-chain follows
    with the batch, so `transaction` is empty.
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
        "channelId": "0x" + channel.channel_id.hex(),
        "balance": str(channel.balance),
        "totalClaimed": str(channel.total_claimed),
        "withdrawRequestedAt": 0,
        "refundNonce": "0",
        "chargedCumulativeAmount": str(channel.charged),
    }
    voucher = {"signedMaxClaimable": str(channel.signed_max)}
    if channel.signed_max_signature:
        voucher["signature"] = "0x" + channel.signed_max_signature.hex()
    return {"channelState": state, "voucherState": voucher}


def _members(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value
