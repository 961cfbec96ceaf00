"""The evidence with which a judge of attribution version 1 confirms a receipt, built from a ledger's state.

The layout is the struct `Evidence` of contracts/src/judge/Evidence.sol: `abi.encode(evidence)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode

from attribution import merkle
from attribution.batch import ChainTip, Item, receipt_leaves
from attribution.split import lines
from attribution.state_tree import StateTree, charged_key, earned_key
from attribution.transition import LedgerState, apply
from attribution.witness import witness_of
from contracts.crypto import Bytes32
from contracts.eip712 import Struct, abi_type
from contracts.structs import InferenceRequest, PriceList, Terms, UsageReceipt
from contracts.x402 import ChannelConfig

_EVIDENCE = "({},bytes,{},{}[],{}[],bytes,bytes32,uint128,bytes[])".format(
    *(abi_type(struct) for struct in (ChannelConfig, PriceList, Terms, InferenceRequest))
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf under a header's `receiptsRoot`, as the Challenges contract takes it. siblings: bottom-up."""

    index: int
    receipt: UsageReceipt
    root_before: Bytes32
    root_after: Bytes32
    siblings: tuple[Bytes32, ...]


def evidence_of(state: LedgerState, item: Item) -> bytes:
    """The encoded evidence that `item` follows from `state`. A receipt that breaks a rule has evidence that does not
    convince; InvalidSplit if its terms and prices share out more than the fee.
    """
    receipt, evidence = item.receipt, item.evidence
    terms = evidence.terms.value if evidence.terms else None
    changes = changes_of(receipt, evidence.price_list.value, terms)
    values = (
        evidence.config.abi_tuple(),
        evidence.voucher_signature,
        evidence.price_list.value.abi_tuple(),
        _none_or_one(terms),
        _none_or_one(evidence.request),
        evidence.request_signature or b"",
        state.tree.root,
        state.cum_total,
        witnesses_of(state.tree, changes),
    )
    return encode([_EVIDENCE], [values])


def changes_of(receipt: UsageReceipt, price_list: PriceList, terms: Terms | None) -> dict[int, int]:
    """By how much a receipt grows each key of the state tree, in the order in which the judge reads their witnesses.

    The channel, then the payees of the fee: treasury, owner, Datanet versions in the order of the terms, operator.
    """
    if receipt.fee == 0:
        return {}
    earned = lines(receipt.fee, price_list, terms)
    return {charged_key(receipt.channel_id): receipt.fee} | {earned_key(payee): earned[payee] for payee in earned}


def witnesses_of(tree: StateTree, changes: dict[int, int]) -> list[bytes]:
    """One witness per key, each for the tree that the changes before it left."""
    witnesses = []
    for key, growth in changes.items():
        witnesses.append(witness_of(tree, key))
        tree = tree.update({key: tree.get(key) + growth})
    return witnesses


def answer(tip: ChainTip, items: Sequence[Item], index: int) -> tuple[Leaf, bytes]:
    """The leaf `index` of the batch of `items` after `tip`, and the evidence that justifies it.

    IndexError if the batch has no such leaf. InvalidTransition if a receipt up to it breaks a rule: then nothing can
    justify it.
    """
    if not 0 <= index < len(items):
        raise IndexError(f"leaf {index} of {len(items)}")
    state, before, roots = tip.state, tip.state, list[Bytes32]()
    for position, item in enumerate(items):
        before = state if position == index else before
        state = apply(state, item.receipt, item.evidence)
        roots.append(state.root)
    receipts = [item.receipt for item in items]
    siblings = merkle.path_of(receipt_leaves(tip.state.root, receipts, roots), index)
    leaf = Leaf(index, receipts[index], before.root, roots[index], siblings)
    return leaf, evidence_of(before, items[index])


def _none_or_one(value: Struct | None) -> list[object]:
    return [] if value is None else [value.abi_tuple()]
