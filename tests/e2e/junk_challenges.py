"""Calls of Challenges against an honest batch, made from its public file: each must revert."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from attribution.receipts_file import Entry, ReceiptsFile
from attribution.replay import Replay, ledger_of
from attribution.state_tree import charged_key
from attribution.transition import LedgerState
from attribution.witness import witness_of
from contracts.crypto import PrivateKey
from node.watch.challenges import leaf_of
from tests.contracts.docket import KIND_LEAF

Junk = tuple[str, tuple[Any, ...]]


def junk_challenges(files: Mapping[int, ReceiptsFile], epoch: int, liar: PrivateKey) -> Iterator[Junk]:
    """Proofs of every kind, and attempts to end demands too early. liar: signs what the operator should have signed."""
    file, header = files[epoch], files[epoch].header.abi_tuple()
    leaves = [leaf_of(file, index) for index in range(len(file.entries))]
    for left, right in pairwise(leaves):
        yield "proveBrokenLink", (header, left, right)
        yield "proveBrokenLink", (header, right, left)
        yield "proveBrokenLink", (header, left, (*right[:2], b"\1" * 32, *right[3:]))
    for leaf in leaves:
        yield "proveBrokenEnd", (header, leaf)
    yield from _junk_totals(file, state_after(files, epoch))
    yield from _junk_billing(file, leaves)
    yield from _junk_signatures(file, leaves, liar)
    yield from _junk_claims(file, state_after(files, epoch))
    yield "expire", (file.header.node, epoch, KIND_LEAF, (0).to_bytes(32))


def state_after(files: Mapping[int, ReceiptsFile], epoch: int) -> LedgerState:
    """The ledger's state after an epoch."""
    replay = Replay(ledger_of(files[1]))
    for each in range(1, epoch + 1):
        assert replay.add(files[each]) == []
    return replay.tip.state


def _junk_totals(file: ReceiptsFile, state: LedgerState) -> Iterator[Junk]:
    for total in (state.cum_total - 1, state.cum_total, state.cum_total + 1):
        yield "proveWrongTotal", (file.header.abi_tuple(), state.tree.root, total)


def _junk_billing(file: ReceiptsFile, leaves: list[tuple[Any, ...]]) -> Iterator[Junk]:
    header, receipts = file.header.abi_tuple(), [entry.receipt for entry in file.entries]
    first = (header, leaves[0], receipts[0].abi_tuple())
    copied = replace(receipts[1], request_digest=receipts[0].request_digest)
    yield "proveDoubleBilling", (*first, *first)
    yield "proveDoubleBilling", (*first, header, leaves[1], receipts[1].abi_tuple())
    yield "proveDoubleBilling", (*first, header, leaves[1], copied.abi_tuple())


def _junk_signatures(file: ReceiptsFile, leaves: list[tuple[Any, ...]], liar: PrivateKey) -> Iterator[Junk]:
    """The receipt that was posted, that of a neighbour, and one that somebody else signed."""
    first, second = file.entries[:2]
    changed = replace(first.receipt, tokens_out=first.receipt.tokens_out + 1)
    forged = replace(first, receipt=changed, signature=liar.sign(changed.digest(file.domain)))
    borrowed = replace(first, receipt=changed)
    for entry in (first, second, forged, borrowed):
        yield "proveEquivocation", _equivocation(file, leaves[0], entry)


def _equivocation(file: ReceiptsFile, leaf: tuple[Any, ...], entry: Entry) -> tuple[Any, ...]:
    return (file.header.abi_tuple(), leaf, entry.receipt.abi_tuple(), entry.signature)


def _junk_claims(file: ReceiptsFile, state: LedgerState) -> Iterator[Junk]:
    """Of the honest channel, and of one that pays somebody else."""
    config = file.entries[0].evidence.config
    for claimed in (config, replace(config, receiver=config.payer)):
        key = charged_key(claimed.channel_id(file.domain.chain_id))
        yield "proveOverClaim", (file.header.abi_tuple(), claimed.abi_tuple(), witness_of(state.tree, key))
