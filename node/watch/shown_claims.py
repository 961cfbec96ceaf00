"""Claims of what was shown of a payee on the chain: the witness in `PayeeShown` holds the proof that claims take."""

from attribution.split import Payee
from contracts.crypto import Address
from node.chain.contracts import PayeeClaim, SettlementContract
from node.settlement.claims import ClaimEntry, ClaimPlan
from node.watch.history import History
from node.watch.registries import Registries

_VALUE_BYTES = 17
"""In front of the proof: the kind of the witness and the value. A witness of an absent payee claims nothing."""


async def shown_claims(registries: Registries, address: Address) -> ClaimPlan:
    """What `address` may claim by the answers to demands, of each node under the newest active epoch that was shown.

    Raises ChainError.
    """
    history = History(registries.client, registries.deployment)
    await history.refresh()
    payee = Payee.of_address(address)
    settlement = SettlementContract(registries.client, registries.deployment.settlement)
    entries = list[ClaimEntry]()
    shown = history.shown(payee)
    for node in sorted({one.node for one in shown}):
        active = (await settlement.ledger(node)).active_epoch
        usable = [one for one in shown if one.node == node and one.epoch <= active and one.cumulative]
        newest = max(usable, key=lambda one: one.epoch, default=None)
        posting = await history.posting(node, newest.epoch) if newest else None
        if newest is None or posting is None or not await registries.is_posted(posting.header):
            continue
        (paid,) = await settlement.claimed(node, [(payee.kind, payee.id)])
        if newest.cumulative > paid:
            header_hash, proof = posting.header.struct_hash(), newest.witness[_VALUE_BYTES:]
            claim = PayeeClaim(node, newest.epoch, header_hash, payee.kind, payee.id, newest.cumulative, proof)
            entries.append(ClaimEntry(claim, newest.cumulative - paid))
    return ClaimPlan(address, tuple(entries))
