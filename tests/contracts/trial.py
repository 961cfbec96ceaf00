"""A watcher against an operator: every batch that the transition refuses dies on the chain, and no other does."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

from attribution.batch import ChainTip, verify
from attribution.transition import LedgerState
from tests.contracts.cheats import CHEATS, NEVER, Scene, honest, honest_batch, unchecked, wrong_state
from tests.contracts.court import Court
from tests.contracts.docket import Docket, Filing, filing_of
from tests.contracts.forgeries import corrupted
from tests.contracts.market import SPAN_S, Market
from tests.contracts.world import OPEN, STAKE


class Trial:
    """Contracts with one honest header posted, on which batches are tried. Each trial leaves no trace."""

    def __init__(self, seed: int, *, funded: bool = False) -> None:
        self.court = Court(Market(seed, dearest=5 * OPEN))
        self.docket, self.draw = Docket(self.court), self.court.draw
        self.machine, self.world = self.docket.machine, self.court.world
        if funded:
            self.world.fund(self.world.vault, STAKE)
        self.machine.warp(SPAN_S)
        genesis = ChainTip.genesis(self.court.state)
        entries = honest(self.court, genesis.state, 4)
        self.first = filing_of(genesis, entries, max(entry.item.receipt.finished_at for entry in entries))
        assert self.docket.post(self.first.header) == ""
        state = verify(genesis, self.first.header, [entry.item for entry in entries]).state
        self.scene = Scene(self.court, ChainTip.after(self.first.header, state), self.first)
        self.court.state = self.scene.tip.state

    def post_honest(self, count: int) -> Filing:
        """Posts an honest batch of so many receipts."""
        while len((filing := honest_batch(self.scene)).entries) != count:
            pass
        assert self.docket.post(filing.header) == ""
        return filing

    def post_cheat(self) -> Filing:
        """Posts a batch whose first leaf nobody can justify."""
        while True:
            filing = wrong_state(self.scene)
            first = filing.entries[0]
            honest_after = unchecked(first.before, first.item)
            if honest_after is not None and honest_after.root != first.root_after:
                assert self.docket.post(filing.header) == ""
                return filing

    # ---- dishonest operators -------------------------------------------------------------------------------------

    def try_cheat(self, name: str) -> str:
        """Posts a cheat and lets a watcher challenge it. Returns how it ended; AssertionError if it survives."""
        filing = CHEATS[name](self.scene)
        with self.machine.discarding():
            refused = self.docket.post(filing.header)
            if refused:
                return "refused at post"
            if self.is_honest(filing):
                self.check_justified(filing)
                return "harmless"
            for function, arguments in self.proofs(filing):
                if self.docket.refusal(self.docket.watcher, function, *arguments) == "":
                    assert not self.docket.is_alive(filing.header), f"{function} killed nothing"
                    return function
            return self.demand(filing, name)

    def is_honest(self, filing: Filing) -> bool:
        """Whether the Python transition accepts the batch as its file shows it, after the first one."""
        digests = [entry.item.receipt.request_digest for entry in (*self.first.entries, *filing.entries)]
        if len(set(digests)) < len(digests):
            return False
        refreshed = self.court.market.refreshed
        items = [
            replace(entry.item, evidence=refreshed(entry.item.receipt, entry.item.evidence)) for entry in filing.entries
        ]
        try:
            return verify(self.scene.tip, filing.header, items).header == filing.header
        except NEVER:
            return False

    def check_justified(self, filing: Filing) -> None:
        """Every leaf can be justified, and no proof convinces."""
        for index in range(len(filing.entries)):
            refused = self.docket.justify(filing, index)
            assert refused == "NoDemand", f"leaf {index} cannot be justified: {refused} {filing}"
        for function, arguments in self.proofs(filing):
            refused = self.docket.refusal(self.docket.watcher, function, *arguments)
            assert refused, f"{function} killed an honest header: {filing}"

    def proofs(self, filing: Filing) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Every proof that a watcher can try from the file."""
        header, entries = filing.header, filing.entries
        values = header.abi_tuple()
        for index in range(len(entries) - 1):
            yield "proveBrokenLink", (values, filing.leaf(index), filing.leaf(index + 1))
        for index in {0, len(entries) - 1}:
            yield "proveBrokenEnd", (values, filing.leaf(index))
        for state in self.states_of(filing):
            yield "proveWrongTotal", (values, state.tree.root, state.cum_total)
        places = [(part, index) for part in (self.first, filing) for index in range(len(part.entries))]
        for (one, i), (other, j) in combinations(places, 2):
            receipts = one.entries[i].item.receipt, other.entries[j].item.receipt
            if receipts[0].request_digest == receipts[1].request_digest:
                ours = (one.header.abi_tuple(), one.leaf(i), receipts[0].abi_tuple())
                theirs = (other.header.abi_tuple(), other.leaf(j), receipts[1].abi_tuple())
                yield "proveDoubleBilling", (*ours, *theirs)

    def states_of(self, filing: Filing) -> list[LedgerState]:
        """The states that a replay of the file meets; the last is the one after the batch."""
        last = filing.entries[-1]
        after = unchecked(last.before, last.item)
        return [after] if after is not None else []

    def demand(self, filing: Filing, name: str) -> str:
        """Demands a leaf that the operator cannot justify, waits, and ends the header."""
        header = filing.header
        for index in range(min(header.count, len(filing.entries) + 3)):
            arguments = self.best_answer(filing, index)
            if arguments and self.docket.refusal(self.docket.watcher, "justify", *arguments) == "NoDemand":
                continue
            self.docket.demand_leaf(header, index)
            for forged in self.forgeries(arguments):
                assert self.docket.refusal(self.docket.watcher, "justify", *forged), f"{name} was justified: {filing}"
            assert self.docket.expire_leaf(header, index) == ""
            assert not self.docket.is_alive(header)
            return "demand"
        raise AssertionError(f"nothing kills the cheat {name!r}: {filing}")

    def best_answer(self, filing: Filing, index: int) -> tuple[Any, ...] | None:
        """The operator's answer to a demand; None if it can give none."""
        try:
            return self.docket.justification(filing, index)
        except (*NEVER, IndexError):
            return None

    def forgeries(self, arguments: tuple[Any, ...] | None) -> Iterator[tuple[Any, ...]]:
        """The answer itself, and with corrupted evidence."""
        if arguments is None:
            return
        yield arguments
        for _ in range(2):
            yield (*arguments[:-1], corrupted(self.draw, arguments[-1]))
