"""A challenger without a case: demands, proofs and answers of every kind against a batch that is honest."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from attribution.split import TREASURY, Payee
from attribution.state_tree import charged_key
from attribution.witness import witness_of
from contracts.crypto import Bytes32, PrivateKey
from tests.contracts.cheats import Scene, state_after
from tests.contracts.court import PAYERS
from tests.contracts.docket import DAY_S, KIND_LEAF, KIND_PAYEE, SIGNATURES, WALLET_WEI, Filing
from tests.contracts.forgeries import corrupted
from tests.contracts.mutations import changed_field
from tests.contracts.trial import Trial
from tests.contracts.world import key


class Nuisance:
    """One challenger and one honest filing. `state` is the ledger after it."""

    def __init__(self, trial: Trial, filing: Filing) -> None:
        self.trial, self.docket, self.draw = trial, trial.docket, trial.draw
        self.filing, self.header = filing, filing.header
        self.state = state_after(filing)
        self.leaves, self.payees = set[int](), set[Payee]()
        self.refusals = Counter[str]()

    def bother(self) -> None:
        """One random act. Whatever is answerable stays open until `answer_all`."""
        act: Callable[[], None] = self.draw.choice(
            [self.demand_leaf, self.demand_payee, self.prove, self.prove, self.answer_wrongly, self.take_back]
        )
        act()
        if self.draw.random() < 0.3:
            self.answer_one()

    def demand_leaf(self) -> None:
        index, values = self.draw.randrange(len(self.filing.entries)), self.header.abi_tuple()
        bond = self.docket.bond(KIND_LEAF, self.header)
        refused = self.docket.refusal(self.docket.challenger, "demandLeaf", values, index, wei=bond)
        if refused == "":
            self.leaves.add(index)
        self.refusals[refused] += 1

    def demand_payee(self) -> None:
        payees = [TREASURY, Payee.of_address(key("nobody").address), Payee(1, Bytes32(self.draw.randbytes(32)))]
        payees.append(Payee.of_address(self.docket.world.owner.address))
        payee, values = self.draw.choice(payees), self.header.abi_tuple()
        bond = self.docket.bond(KIND_PAYEE, self.header)
        arguments = (values, int(payee.kind), payee.id)
        refused = self.docket.refusal(self.docket.challenger, "demandPayee", *arguments, wei=bond)
        if refused == "":
            self.payees.add(payee)
        self.refusals[refused] += 1

    def answer_one(self) -> None:
        """Answers an open demand, if there is one."""
        if self.leaves:
            assert self.docket.justify(self.filing, self.leaves.pop()) == ""
        elif self.payees:
            assert self.docket.show(self.filing, self.state, self.payees.pop()) == ""

    def answer_all(self) -> None:
        """Answers every open demand."""
        while self.leaves or self.payees:
            self.answer_one()

    def refused(self, function: str, *arguments: Any) -> None:
        """A call that must revert."""
        refusal = self.docket.refusal(self.docket.challenger, function, *arguments)
        assert refusal, f"junk was accepted: {function}{arguments}"
        self.refusals[refusal] += 1

    # ---- junk ----------------------------------------------------------------------------------------------------

    def answer_wrongly(self) -> None:
        """Evidence with changed bits answers nothing; neither does a witness of a channel."""
        arguments = self.trial.best_answer(self.filing, self.draw.randrange(len(self.filing.entries)))
        assert arguments is not None
        changed = corrupted(self.draw, arguments[-1])
        call = (*arguments[:-1], changed)
        refusal = self.docket.refusal(self.docket.challenger, "justify", *call)
        if refusal == "":  # a flipped bit may be one that nobody reads
            self.leaves.discard(arguments[2][0])
        self.refusals[refusal] += 1
        witness = witness_of(self.state.tree, self.draw.getrandbits(255) | 1 << 255)  # of a channel
        self.refused("showPayee", self.header.abi_tuple(), 2, bytes(32), witness)

    def take_back(self) -> None:
        """A bond stays while the header is alive, and a demand cannot expire before its time."""
        header, index = self.header, self.draw.randrange(len(self.filing.entries))
        item = index.to_bytes(32)
        self.refused("expire", header.node, header.epoch, KIND_LEAF, item)
        posted = self.docket.machine.read(self.docket.world.settlement, "header", header.node, header.epoch)
        self.refused("reclaim", header.node, header.epoch, posted[0], posted[2], KIND_LEAF, item)

    def prove(self) -> None:
        """A proof of any kind, from this file or a changed one."""
        function = self.draw.choice([name for name in SIGNATURES if name.startswith("prove")])
        arguments: tuple[Any, ...] = getattr(self, f"_{function}")()
        self.refused(function, *arguments)

    def _header(self) -> tuple[Any, ...]:
        if self.draw.random() < 0.7:
            return self.header.abi_tuple()
        return changed_field(self.draw, self.header, self.trial.first.header).abi_tuple()

    def _leaf(self, filing: Filing | None = None) -> tuple[tuple[Any, ...], int]:
        """A leaf, often with one member changed, and its index."""
        filing = filing or self.filing
        index = self.draw.randrange(len(filing.entries))
        leaf = list(filing.leaf(index))
        if self.draw.random() < 0.5:
            member = self.draw.randrange(5)
            changed = [self.draw.randrange(8), *(self.draw.randbytes(32) for _ in range(3)), [self.draw.randbytes(32)]]
            leaf[member] = changed[member]
        return tuple(leaf), index

    def _proveBrokenLink(self) -> tuple[Any, ...]:
        return (self._header(), self._leaf()[0], self._leaf()[0])

    def _proveBrokenEnd(self) -> tuple[Any, ...]:
        return (self._header(), self._leaf()[0])

    def _proveWrongTotal(self) -> tuple[Any, ...]:
        total = self.state.cum_total + self.draw.choice([0, 1, -1])
        return (self._header(), self.state.tree.root, total)

    def _proveDoubleBilling(self) -> tuple[Any, ...]:
        other = self.draw.choice([self.filing, self.trial.first])
        (leaf, index), (other_leaf, other_index) = self._leaf(), self._leaf(other)
        receipt, other_receipt = self.filing.entries[index].item.receipt, other.entries[other_index].item.receipt
        if self.draw.random() < 0.3:
            receipt = replace(receipt, request_digest=other_receipt.request_digest)
            if receipt == self.filing.entries[index].item.receipt and leaf[0] != other_leaf[0]:
                receipt = other_receipt
        return (
            *(self._header(), leaf, receipt.abi_tuple()),
            *(other.header.abi_tuple(), other_leaf, other_receipt.abi_tuple()),
        )

    def _proveEquivocation(self) -> tuple[Any, ...]:
        """Another receipt that some key signed, or the same receipt that the operator signed."""
        leaf, index = self._leaf()
        receipt, signer = self.filing.entries[index].item.receipt, self.draw.choice(PAYERS)
        if self.draw.random() < 0.5:
            signer = self._operator()
        else:
            receipt = changed_field(self.draw, receipt, self.trial.first.entries[0].item.receipt)
        signature = signer.sign(receipt.digest(self.trial.court.domain))
        return (self._header(), leaf, receipt.abi_tuple(), signature)

    def _operator(self) -> PrivateKey:
        return self.docket.world.operator

    def _proveOverClaim(self) -> tuple[Any, ...]:
        config = self.trial.court.channel(self.draw.choice(PAYERS))
        if self.draw.random() < 0.3:
            config = changed_field(self.draw, config, self.docket.world.channel())
        channel = charged_key(config.channel_id(self.trial.court.ledger.domain.chain_id))
        return (self._header(), config.abi_tuple(), witness_of(self.state.tree, channel))


def survive(trial: Trial, scene: Scene, filing: Filing, acts: int) -> Counter[str]:
    """Posts an honest filing, bothers it, answers, and lets it become active. Returns the refusals."""
    docket, header = trial.docket, filing.header
    with docket.machine.discarding():
        assert docket.post(header) == ""
        nuisance = Nuisance(trial, filing)
        for _ in range(acts):
            nuisance.bother()
        nuisance.answer_all()
        assert docket.is_alive(header)
        assert docket.machine.coins(docket.world.challenges.address) == 0, "every bond has gone to whoever answered"
        assert docket.machine.coins(docket.challenger) + docket.machine.coins(docket.watcher) == 2 * WALLET_WEI
        docket.machine.warp(DAY_S)
        assert docket.activate(header) == header.epoch
    return nuisance.refusals
