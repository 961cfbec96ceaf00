"""What the operator sees of settlement: its status, every recent transaction, value beside gas, and deadlines."""

from collections.abc import Mapping, Sequence

from contracts.crypto import Bytes32
from contracts.encoding import to_hex
from node.settlement.profit_gate import ProfitGate
from node.store.channels import Channel
from node.store.outbox import Outgoing


def transaction_json(transaction: Outgoing) -> dict[str, object]:
    """A transaction as a JSON object. cost: what it cost or, before it is mined, may cost at most, in wei."""
    mined = transaction.gas_used is not None and transaction.gas_price is not None
    newest = transaction.attempts[-1] if transaction.attempts else None
    if mined:
        cost = (transaction.gas_used or 0) * (transaction.gas_price or 0)
    else:
        cost = (transaction.gas or 0) * newest.max_fee if newest else 0
    return {
        "intent": transaction.intent,
        "state": transaction.state.value,
        "nonce": transaction.nonce,
        "transaction": to_hex(transaction.hash) if transaction.hash else None,
        "attempts": len(transaction.attempts),
        "block": transaction.block_number,
        "cost": str(cost),
        "since": transaction.created_at,
        "changedAt": transaction.changed_at,
        "note": transaction.failure,
    }


def value_json(channels: Sequence[Channel], base_fee: int, gate: ProfitGate, oldest_at: int) -> dict[str, object]:
    """What a cycle would claim beside the gas that it would cost now, both in base units.

    base_fee: wei per gas. oldest_at: when the oldest receipt that is not posted finished, in unix seconds, 0 for none.
    settlesBy: from then on a cycle runs at any cost; 0 without such a receipt.
    """
    owed = [owes(channel) for channel in channels if owes(channel)]
    return {
        "claimable": str(sum(owed)),
        "channels": len(owed),
        "gasCost": str(gate.cost(len(owed), base_fee)),
        "baseFee": str(base_fee),
        "settlesBy": oldest_at + gate.max_age_s if oldest_at else 0,
    }


def deadlines_json(channels: Sequence[Channel], finalize_after: Mapping[Bytes32, int]) -> list[dict[str, object]]:
    """The channels whose payers withdraw what is not claimed yet, earliest first.

    claimBy: when the payer may take it, in unix seconds; 0 if this node did not see the event.
    """
    leaving = [channel for channel in channels if channel.pending_withdraw and owes(channel)]
    rows = [(finalize_after.get(channel.channel_id, 0), channel) for channel in leaving]
    return [
        {"channelId": to_hex(channel.channel_id), "owes": str(owes(channel)), "claimBy": at}
        for at, channel in sorted(rows, key=lambda row: row[0])
    ]


def owes(channel: Channel) -> int:
    """What the escrow still holds of what a channel was charged, in base units."""
    return max(0, min(channel.charged, channel.balance) - channel.total_claimed)
