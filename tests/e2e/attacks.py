"""Everything that an operator tries with its second batch, by name, and the fault for which it is challenged."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from attribution.batch import Item
from attribution.evidence import changes_of
from attribution.findings import Fault
from attribution.split import TREASURY, Payee
from attribution.state_tree import earned_key, state_root
from tests.contracts.docket import Entry
from tests.e2e.attacker import Attacker, after
from tests.e2e.vaults import STAKE

LOOT = STAKE // 2
"""What a forged header may promise beyond the receipts while the stake covers it."""


@dataclass(frozen=True, slots=True)
class Attack:
    """What the operator does, the fault that is found, and the function of Challenges that answers it.

    collects: whether the vouchers of the honest first batch were claimed. answers: whether the operator shows every
    payee that is demanded.
    """

    run: Callable[[Attacker], None]
    fault: Fault
    challenge: str
    collects: bool = True
    answers: bool = False

    @property
    def dies_at_once(self) -> bool:
        """Whether the header dies of a proof, and not of a demand that nobody answers."""
        return self.challenge.startswith("prove")


def over_charges(attacker: Attacker) -> None:
    """One base unit more than the price."""
    *others, last = attacker.items
    dearer = replace(last, receipt=replace(last.receipt, fee=last.receipt.fee + 1))
    attacker.publish(attacker.filed(attacker.booked([*others, dearer])))


def mis_splits(attacker: Attacker) -> None:
    """The adapter owner's royalty goes to the operator."""
    entries = attacker.booked(attacker.items)
    attacker.publish(attacker.filed([*entries[:-1], _without_royalty(entries[-1])]))


def drops_a_receipt(attacker: Attacker) -> None:
    """A payer has a signed receipt that is in no batch: the next ones took its number."""
    attacker.hand_out(attacker.items[1].receipt)
    kept = [item for item in attacker.items if item is not attacker.items[1]]
    attacker.publish(attacker.filed(attacker.booked(attacker.renumbered(kept))))


def signs_a_number_twice(attacker: Attacker) -> None:
    """A payer has another receipt than the one that was posted with its number."""
    posted = attacker.items[2].receipt
    attacker.hand_out(replace(posted, tokens_out=posted.tokens_out + 1))
    attacker.publish(attacker.filed(attacker.booked(attacker.items)))


def forks_a_batch(attacker: Attacker) -> None:
    """The file that is served is of another batch than the posted one."""
    attacker.post(attacker.filed(attacker.booked(attacker.items)).header)
    shown = attacker.filed(attacker.booked(attacker.items[:2]))
    attacker.serve(2, attacker.file_of(shown).encode())


def withholds_data(attacker: Attacker) -> None:
    """A header whose receipts nobody can get."""
    attacker.post(attacker.filed(attacker.booked(attacker.items)).header)


def over_claims(attacker: Attacker) -> None:
    """The vault claims more of a channel than the receipts charge, with a voucher that the payer signed ahead."""
    filing = attacker.filed(attacker.booked(attacker.items))
    attacker.publish(filing)
    attacker.vault.claim_vouchers(10 * filing.header.cum_total)


def bills_a_request_twice(attacker: Attacker) -> None:
    """A request of the first batch is billed again, under a newer voucher of its payer."""
    *others, last = attacker.items
    first = attacker.first[0]
    times = {"started_at": last.receipt.started_at, "finished_at": last.receipt.finished_at}
    receipt = replace(first.receipt, voucher_max=last.receipt.voucher_max, **times)
    evidence = replace(first.evidence, voucher_signature=last.evidence.voucher_signature)
    again = attacker.renumbered([*others, Item(receipt, evidence)])
    attacker.publish(attacker.filed(attacker.booked(again)))


def inflates_the_total(attacker: Attacker) -> None:
    """The header's total exceeds that of its state by what the stake covers."""
    filing = attacker.filed(attacker.booked(attacker.items))
    header = replace(filing.header, cum_total=filing.header.cum_total + LOOT)
    attacker.publish(replace(filing, header=header))


def forges_the_state(attacker: Attacker) -> None:
    """The header's state gives the operator what nobody paid, and its last leaf does not lead there."""
    filing = attacker.filed(attacker.booked(attacker.items))
    state, operator = after(filing.entries[-1]), _operator_key(filing.entries[-1])
    tree = state.tree.update({operator: state.tree.get(operator) + LOOT})
    total = state.cum_total + LOOT
    header = replace(filing.header, cum_total=total, state_root=state_root(tree.root, total))
    attacker.publish(replace(filing, header=header))


def withdraws_its_stake(attacker: Attacker) -> None:
    """Right after a wrong split the whole stake starts to leave."""
    mis_splits(attacker)
    chain, registry = attacker.chain, attacker.chain.deployment.node_registry
    chain.send(attacker.vault.operator, "NodeRegistry", registry, "startUnbonding", attacker.node, STAKE)


def crowds_out_challengers(attacker: Attacker) -> None:
    """A wrong split, and the operator itself opens as many demands on honest leaves as Settlement counts."""
    mis_splits(attacker)
    for index in range(3):
        attacker.chain.demand_leaf(attacker.vault.operator, attacker.headers[2], index)
    attacker.chain.demand_payee(attacker.vault.operator, attacker.headers[2], TREASURY)


def hides_a_theft(attacker: Attacker) -> None:
    """The state gives the operator what the first batch gave to others, and nobody can get the file that shows it."""
    (entry,) = attacker.booked(attacker.items[:1])
    state, operator = after(entry), _operator_key(entry)
    tree = state.tree.update({operator: state.tree.get(operator) + attacker.tip.state.cum_total})
    attacker.shown = tree
    attacker.post(attacker.filed([replace(entry, root_after=state_root(tree.root, state.cum_total))]).header)


def is_honest(attacker: Attacker) -> None:
    """No attack at all."""
    filing = attacker.filed(attacker.booked(attacker.items))
    attacker.publish(filing)
    attacker.vault.claim_vouchers(filing.header.cum_total)


def _operator_key(entry: Entry) -> int:
    return earned_key(Payee.of_address(entry.item.evidence.price_list.value.operator_payee))


def _without_royalty(entry: Entry) -> Entry:
    """The entry with the state in which the operator earned the owner's line, too."""
    receipt, evidence = entry.item.receipt, entry.item.evidence
    assert evidence.terms is not None
    changes = changes_of(receipt, evidence.price_list.value, evidence.terms.value)
    changes[_operator_key(entry)] += changes.pop(earned_key(Payee.of_address(evidence.terms.value.owner)))
    tree = entry.before.tree.update({key: entry.before.tree.get(key) + growth for key, growth in changes.items()})
    return replace(entry, root_after=state_root(tree.root, entry.before.cum_total + receipt.fee))


ATTACKS = {
    "inflates-the-total": Attack(inflates_the_total, Fault.BROKEN_LINK, "proveWrongTotal"),
    "over-charges": Attack(over_charges, Fault.UNJUSTIFIED_LEAF, "demandLeaf"),
    "mis-splits": Attack(mis_splits, Fault.UNJUSTIFIED_LEAF, "demandLeaf"),
    "drops-a-receipt": Attack(drops_a_receipt, Fault.EQUIVOCATION, "proveEquivocation"),
    "signs-a-number-twice": Attack(signs_a_number_twice, Fault.EQUIVOCATION, "proveEquivocation"),
    "forks-a-batch": Attack(forks_a_batch, Fault.WITHHELD, "demandPayee"),
    "withholds-data": Attack(withholds_data, Fault.WITHHELD, "demandPayee"),
    "hides-a-theft": Attack(hides_a_theft, Fault.WITHHELD, "demandLeaf", answers=True),
    "over-claims": Attack(over_claims, Fault.OVER_CLAIM, "proveOverClaim"),
    "bills-a-request-twice": Attack(bills_a_request_twice, Fault.DOUBLE_BILLING, "proveDoubleBilling"),
    "forges-the-state": Attack(forges_the_state, Fault.BROKEN_LINK, "proveBrokenEnd"),
    "withdraws-its-stake": Attack(withdraws_its_stake, Fault.UNJUSTIFIED_LEAF, "demandLeaf"),
    "crowds-out-challengers": Attack(crowds_out_challengers, Fault.UNJUSTIFIED_LEAF, "demandLeaf"),
    "never-collects": Attack(over_charges, Fault.UNJUSTIFIED_LEAF, "demandLeaf", collects=False),
}
HONEST = "is-honest"
COPIED = "inflates-the-total"
"""Of this attack, which is watched first, somebody else copies the proof."""
