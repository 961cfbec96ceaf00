"""The call of the Challenges contract that answers a finding, built from the public files alone.

A leaf that breaks a rule is demanded: nobody can justify it. What two commitments of the node contradict is proven.
What a payee earned is demanded if no file shows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from attribution import merkle
from attribution.findings import Fault, Finding
from attribution.receipt_proof import ReceiptProof
from attribution.receipts_file import ReceiptsFile
from attribution.split import Payee
from attribution.state_tree import charged_key, earned_key
from attribution.transition import LedgerState
from attribution.witness import witness_of
from contracts.crypto import Bytes32
from contracts.encoding import uint_word
from contracts.structs import BatchHeader
from contracts.x402 import ChannelConfig
from node.chain.demands import KIND_LEAF, KIND_PAYEE


@dataclass(frozen=True, slots=True)
class Item:
    """What a demand asks for: KIND_LEAF with the leaf's index as a word, or KIND_PAYEE with the key of the payee."""

    kind: int
    id: Bytes32

    def __str__(self) -> str:
        return f"leaf {int.from_bytes(self.id)}" if self.kind == KIND_LEAF else "a payee"


@dataclass(frozen=True, slots=True)
class Challenge:
    """A function of Challenges and its arguments as the ABI takes them.

    header: what dies of it. item: what is demanded, against a bond; None for a proof.
    """

    function: str
    header: BatchHeader
    arguments: tuple[Any, ...]
    item: Item | None = None

    @property
    def bonded(self) -> bool:
        """Whether it must be sent with a bond."""
        return self.item is not None


def challenge_of(
    finding: Finding,
    files: Mapping[int, ReceiptsFile],
    state: LedgerState | None,
    channels: Mapping[Bytes32, ChannelConfig] | None = None,
) -> Challenge | None:
    """The challenge of a finding; None if it is no matter for the chain, or a file that it needs is missing.

    files: by epoch. state: after the newest file, as far as it can be rebuilt. channels: of all files so far.
    """
    file, place = files.get(finding.epoch), finding.place
    if file is None:
        return None
    made: Challenge | None
    match finding.fault:
        case Fault.UNJUSTIFIED_LEAF if place is not None:
            made = demand_leaf(file.header, place.index)
        case Fault.BROKEN_LINK:
            made = _broken_end(file, state)
        case Fault.DOUBLE_BILLING if place is not None and finding.earlier is not None:
            made = _double_billing(files.get(finding.earlier.epoch), finding.earlier.index, file, place.index)
        case Fault.EQUIVOCATION if place is not None and finding.signed is not None:
            signed, leaf = finding.signed, leaf_of(file, place.index)
            arguments = (file.header.abi_tuple(), leaf, signed.receipt.abi_tuple(), signed.signature)
            made = Challenge("proveEquivocation", file.header, arguments)
        case Fault.OVER_CLAIM if finding.channel_id is not None and state is not None:
            made = _over_claim(finding.channel_id, channels or channels_of(files), file.header, state)
        case _:
            made = None
    return made


def demand_leaf(header: BatchHeader, index: int) -> Challenge:
    """Demands that leaf `index` of a header be justified."""
    return Challenge("demandLeaf", header, (header.abi_tuple(), index), Item(KIND_LEAF, Bytes32(uint_word(index))))


def demand_payee(header: BatchHeader, payee: Payee) -> Challenge:
    """Demands to be shown what a payee earned up to a header. It needs no file."""
    return Challenge("demandPayee", header, (header.abi_tuple(), int(payee.kind), payee.id), item_of(payee))


def item_of(payee: Payee) -> Item:
    """What a demand to be shown a payee asks for."""
    return Item(KIND_PAYEE, Bytes32(uint_word(earned_key(payee))))


def broken_links(proofs: Sequence[ReceiptProof]) -> list[Challenge]:
    """The proofs that leaves do not chain (T8), from single leaves that payers got with their receipts.

    A receipts file cannot hold such leaves: it has one state root per receipt, so neighbours always chain, and a header
    whose leaves do not has no valid file.
    """
    made = list[Challenge]()
    for proof in proofs:
        header = proof.header
        starts_elsewhere = proof.index == 0 and proof.root_before != header.prev_state_root
        ends_elsewhere = proof.index == header.count - 1 and proof.root_after != header.state_root
        if starts_elsewhere or ends_elsewhere:
            made.append(Challenge("proveBrokenEnd", header, (header.abi_tuple(), _given(proof))))
    ordered = sorted(proofs, key=lambda proof: (proof.header.struct_hash(), proof.index))
    for left, right in pairwise(ordered):
        neighbours = left.header == right.header and left.index + 1 == right.index
        if neighbours and left.root_after != right.root_before:
            arguments = (left.header.abi_tuple(), _given(left), _given(right))
            made.append(Challenge("proveBrokenLink", left.header, arguments))
    return made


def leaf_of(file: ReceiptsFile, index: int) -> tuple[Any, ...]:
    """A leaf as the contract takes it: index, receipt hash, state roots before and after, siblings bottom-up."""
    before = file.entries[index - 1].root if index else file.header.prev_state_root
    entry = file.entries[index]
    return index, entry.receipt.struct_hash(), before, entry.root, list(merkle.path_of(file.leaves(), index))


def channels_of(files: Mapping[int, ReceiptsFile]) -> dict[Bytes32, ChannelConfig]:
    """The channels that receipts of these files charge."""
    entries = (entry for file in files.values() for entry in file.entries)
    return {entry.receipt.channel_id: entry.evidence.config for entry in entries}


def _given(proof: ReceiptProof) -> tuple[Any, ...]:
    return proof.index, proof.receipt.struct_hash(), proof.root_before, proof.root_after, list(proof.path)


def _broken_end(file: ReceiptsFile, state: LedgerState | None) -> Challenge | None:
    header = file.header
    if file.entries[-1].root != header.state_root:
        return Challenge("proveBrokenEnd", header, (header.abi_tuple(), leaf_of(file, len(file.entries) - 1)))
    if state is None or state.root != header.state_root:
        return None
    return Challenge("proveWrongTotal", header, (header.abi_tuple(), state.tree.root, state.cum_total))


def _double_billing(first: ReceiptsFile | None, at: int, second: ReceiptsFile, then: int) -> Challenge | None:
    if first is None:
        return None
    sides = [
        (file.header.abi_tuple(), leaf_of(file, index), file.entries[index].receipt.abi_tuple())
        for file, index in ((first, at), (second, then))
    ]
    return Challenge("proveDoubleBilling", second.header, (*sides[0], *sides[1]))


def _over_claim(
    channel_id: Bytes32, channels: Mapping[Bytes32, ChannelConfig], header: BatchHeader, state: LedgerState
) -> Challenge | None:
    config = channels.get(channel_id)
    if config is None:
        return None
    witness = witness_of(state.tree, charged_key(channel_id))
    return Challenge("proveOverClaim", header, (header.abi_tuple(), config.abi_tuple(), witness))
