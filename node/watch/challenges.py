"""The call of the Challenges contract that answers a finding, built from the public files alone.

A leaf that breaks a rule is demanded: nobody can justify it. What two commitments of the node contradict is proven.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from attribution import merkle
from attribution.findings import Fault, Finding
from attribution.receipts_file import ReceiptsFile
from attribution.state_tree import charged_key
from attribution.transition import LedgerState
from attribution.witness import witness_of


@dataclass(frozen=True, slots=True)
class Challenge:
    """A function of Challenges and its arguments as the ABI takes them. bonded: it must be sent with a bond."""

    function: str
    arguments: tuple[Any, ...]
    bonded: bool = False


def challenge_of(finding: Finding, files: Mapping[int, ReceiptsFile], state: LedgerState | None) -> Challenge | None:
    """The challenge of a finding; None if it is no matter for the chain, or a file that it needs is missing.

    files: by epoch. state: after the newest file, as far as it can be rebuilt.
    """
    file, place = files.get(finding.epoch), finding.place
    if file is None:
        return None
    made: Challenge | None
    match finding.fault:
        case Fault.UNJUSTIFIED_LEAF if place is not None:
            made = Challenge("demandLeaf", (file.header.abi_tuple(), place.index), bonded=True)
        case Fault.BROKEN_LINK:
            made = _broken_end(file, state)
        case Fault.DOUBLE_BILLING if place is not None and finding.earlier is not None:
            made = _double_billing(files.get(finding.earlier.epoch), finding.earlier.index, file, place.index)
        case Fault.EQUIVOCATION if place is not None and finding.signed is not None:
            signed = finding.signed
            arguments = (
                file.header.abi_tuple(),
                leaf_of(file, place.index),
                signed.receipt.abi_tuple(),
                signed.signature,
            )
            made = Challenge("proveEquivocation", arguments)
        case Fault.OVER_CLAIM if finding.channel_id is not None and state is not None:
            made = _over_claim(finding.channel_id, files, file.header.abi_tuple(), state)
        case _:
            made = None
    return made


def leaf_of(file: ReceiptsFile, index: int) -> tuple[Any, ...]:
    """A leaf as the contract takes it: index, receipt hash, state roots before and after, siblings bottom-up."""
    before = file.entries[index - 1].root if index else file.header.prev_state_root
    entry = file.entries[index]
    return index, entry.receipt.struct_hash(), before, entry.root, list(merkle.path_of(file.leaves(), index))


def _broken_end(file: ReceiptsFile, state: LedgerState | None) -> Challenge | None:
    if file.entries[-1].root != file.header.state_root:
        return Challenge("proveBrokenEnd", (file.header.abi_tuple(), leaf_of(file, len(file.entries) - 1)))
    if state is None or state.root != file.header.state_root:
        return None
    return Challenge("proveWrongTotal", (file.header.abi_tuple(), state.tree.root, state.cum_total))


def _double_billing(first: ReceiptsFile | None, at: int, second: ReceiptsFile, then: int) -> Challenge | None:
    if first is None:
        return None
    sides = [
        (file.header.abi_tuple(), leaf_of(file, index), file.entries[index].receipt.abi_tuple())
        for file, index in ((first, at), (second, then))
    ]
    return Challenge("proveDoubleBilling", (*sides[0], *sides[1]))


def _over_claim(
    channel_id: bytes, files: Mapping[int, ReceiptsFile], header: tuple[Any, ...], state: LedgerState
) -> Challenge | None:
    entries = (entry for file in files.values() for entry in file.entries)
    found = next((entry for entry in entries if entry.receipt.channel_id == channel_id), None)
    if found is None:
        return None
    witness = witness_of(state.tree, charged_key(found.receipt.channel_id))
    return Challenge("proveOverClaim", (header, found.evidence.config.abi_tuple(), witness))
