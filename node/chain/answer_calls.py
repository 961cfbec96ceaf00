"""The calls of Challenges that answer demands."""

from attribution.answers import BatchAnswers
from attribution.split import Payee
from attribution.state_tree import StateTree, earned_key
from attribution.witness import witness_of
from contracts.crypto import ZERO_ADDRESS, ZERO_BYTES32
from contracts.structs import BatchHeader
from node.chain.client import Call
from node.chain.contracts import Contract

_NO_HEADER = BatchHeader(ZERO_ADDRESS, 0, 0, 0, ZERO_BYTES32, ZERO_BYTES32, ZERO_BYTES32, 0, ZERO_BYTES32, closed_at=0)
"""Stands for the header before the first one, which the contract does not read."""


def justify(challenges: Contract, answers: BatchAnswers, previous: BatchHeader | None, index: int) -> Call:
    """Justifies leaf `index`. previous: the header before the batch's, None for the first. Raises IndexError."""
    leaf, evidence = answers.justification(index)
    before = (previous or _NO_HEADER).abi_tuple()
    committed = (leaf.index, leaf.receipt.struct_hash(), leaf.root_before, leaf.root_after, list(leaf.siblings))
    return challenges.to_call(
        "justify", answers.header.abi_tuple(), before, committed, leaf.receipt.abi_tuple(), evidence
    )


def show_payee(challenges: Contract, header: BatchHeader, tree: StateTree, payee: Payee) -> Call:
    """Shows what a payee earned under a header, or that it earned nothing. tree: the state after the header's batch."""
    witness = witness_of(tree, earned_key(payee))
    return challenges.to_call("showPayee", header.abi_tuple(), payee.kind, payee.id, witness)
