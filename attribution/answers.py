"""What answers the demands on a posted batch: the evidence of any leaf, rebuilt bit for bit from the receipts."""

from collections.abc import Sequence
from dataclasses import dataclass

from attribution import merkle
from attribution.batch import ChainTip, Item, receipt_leaves
from attribution.evidence import Leaf, evidence_of
from attribution.transition import LedgerState, advance
from contracts.crypto import Bytes32
from contracts.structs import BatchHeader


class NotRebuilt(ValueError):
    """The receipts do not lead to the header."""


@dataclass(frozen=True, slots=True)
class BatchAnswers:
    """A batch with the ledger's states, before its first receipt and after each. It answers any number of demands.

    Whether a receipt keeps the rules is not judged here: what the contracts refuse, nothing can justify.
    """

    header: BatchHeader
    items: tuple[Item, ...]
    states: tuple[LedgerState, ...]
    leaves: tuple[Bytes32, ...]

    @classmethod
    def of(cls, tip: ChainTip, header: BatchHeader, items: Sequence[Item]) -> "BatchAnswers":
        """The batch of `items` after `tip`. Raises NotRebuilt if they do not give `header`."""
        states = [tip.state]
        for item in items:
            states.append(_after(states[-1], item))
        roots = [state.root for state in states]
        leaves = receipt_leaves(roots[0], [item.receipt for item in items], roots[1:])
        if (tip.header_hash, roots[0]) != (header.prev_header_hash, header.prev_state_root):
            raise NotRebuilt(f"epoch {header.epoch} does not follow epoch {tip.epoch}")
        if len(items) != header.count or merkle.root_of(leaves) != header.receipts_root:
            raise NotRebuilt(f"the receipts of epoch {header.epoch} do not rebuild its receiptsRoot")
        return cls(header, tuple(items), tuple(states), tuple(leaves))

    def justification(self, index: int) -> tuple[Leaf, bytes]:
        """The leaf `index` and the evidence that justifies it. Raises IndexError for no such leaf."""
        if not 0 <= index < len(self.items):
            raise IndexError(f"leaf {index} of {len(self.items)}")
        item, (before, after) = self.items[index], self.states[index : index + 2]
        leaf = Leaf(index, item.receipt, before.root, after.root, merkle.path_of(self.leaves, index))
        return leaf, evidence_of(before, item)


def _after(state: LedgerState, item: Item) -> LedgerState:
    terms = item.evidence.terms
    try:
        return advance(state, item.receipt, item.evidence.price_list.value, terms.value if terms else None)
    except ValueError as error:
        raise NotRebuilt(f"receipt {item.receipt.seq}: {error}") from error
