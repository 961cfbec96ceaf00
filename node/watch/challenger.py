"""Acts on the faults of watched nodes: proves, demands, expires what nobody answers, and collects bonds.

What was done is read from the chain, never from memory: so a restart, a second watcher or a reorganisation neither
loses a challenge nor sends one twice.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from attribution.findings import Fault, Finding
from attribution.split import Payee
from contracts.crypto import Address
from node.chain.errors import CallReverted
from node.watch.actions import Act, Action
from node.watch.cases import Case, Cases
from node.watch.challenges import Challenge, Item
from node.watch.collection import Collection
from node.watch.history import History
from node.watch.postings import ChallengesContract
from node.watch.registries import Registries
from node.watch.sender import LATER, Sender
from node.watch.watched import Watched
from node.watch.withholding import Withholding

_SENT = frozenset({Act.DEMANDED, Act.PROVED, Act.EXPIRED, Act.RECLAIMED, Act.WITHDREW, Act.REWARDED, Act.RESTORED})


@dataclass(slots=True)
class Challenger:
    """One account that challenges. payees: whose earnings it demands if a node withholds a file.

    patience: how many looks in a row a file must be missing before it is demanded.
    """

    registries: Registries
    sender: Sender
    payees: Sequence[Payee]
    patience: int = 1
    _cases: dict[Address, Cases] = field(default_factory=dict)
    _said: set[tuple[Address, int | None, Act, str]] = field(default_factory=set)
    _history: History = field(init=False)
    _contract: ChallengesContract = field(init=False)
    _withholding: Withholding = field(init=False)
    _collection: Collection = field(init=False)

    def __post_init__(self) -> None:
        self._history = History(self.registries.client, self.registries.deployment)
        self._contract = ChallengesContract(self.registries)
        self._withholding = Withholding(self._history, self._contract, self.sender.address, self.payees, self.patience)
        self._collection = Collection(self._history, self._contract, self.sender)

    async def act(self, watched: Watched, findings: Sequence[Finding]) -> AsyncIterator[Action]:
        """What is done about a node after one look at it. Each state is reported once. Raises ChainError."""
        await self._history.refresh()
        node = await watched.vault()
        async for action in self._all(node, watched, findings):
            key = (action.node, action.epoch, action.act, action.detail)
            if action.act in _SENT or key not in self._said:
                self._said.add(key)
                yield action

    async def _all(self, node: Address, watched: Watched, findings: Sequence[Finding]) -> AsyncIterator[Action]:
        cases = self._cases.setdefault(node, Cases())
        for finding in findings:
            if finding.fault is Fault.WITHHELD:
                continue
            challenge = await watched.challenge(finding)
            if challenge is None:
                yield Action(Act.NO_CHALLENGE, node, finding.epoch, f"{finding.fault}: the chain cannot judge it")
            else:
                cases.add(Case(challenge, finding))
        for case in cases.ordered():
            async for action in self._pursue(cases, case):
                yield action
        async for wanted in self._withholding.demands(node, watched, findings):
            async for action in self._demand(wanted):
                yield action
        async for action in self._collection.collect(node):
            yield action

    async def _pursue(self, cases: Cases, case: Case) -> AsyncIterator[Action]:
        """The next step of one case. Its header may have died of the case before it."""
        header = case.challenge.header
        active_from = await self._contract.active_from(header)
        if active_from is None:
            cases.drop(case)
            yield await self._gone(case)
        elif not await self._contract.is_undecided(header):
            cases.drop(case)
            yield Action(Act.TOO_LATE, header.node, header.epoch, "the header is final, and nothing can end it")
        elif case.challenge.item is None:
            async for action in self._prove(case.challenge):
                yield action
        else:
            state = await self._contract.demand_of(header.node, header.epoch, case.challenge.item)
            case.is_open, case.is_answered = state.author is not None, state.is_answered
            if case.is_open or case.is_answered or cases.allow(case):
                async for action in self._demand(case.challenge):
                    case.is_open = case.is_open or action.act is Act.DEMANDED
                    yield action

    async def _gone(self, case: Case) -> Action:
        header = case.challenge.header
        await self._history.refresh()
        for death in reversed(self._history.deaths(header.node)):
            if death.epoch <= header.epoch:
                mine = "this account" if death.challenger == self.sender.address else death.challenger
                return Action(Act.DIED, header.node, header.epoch, f"the header is dead; {mine} gets the reward")
        return Action(Act.VANISHED, header.node, header.epoch, "the chain no longer has the header")

    async def _prove(self, challenge: Challenge) -> AsyncIterator[Action]:
        header = challenge.header
        try:
            mined = await self.sender.send(self._contract.challenge(challenge))
        except CallReverted as error:
            detail = f"{challenge.function} would revert: {error.reason}"
            yield Action(Act.REFUSED, header.node, header.epoch, detail)
        except LATER as error:
            yield Action(Act.NOT_SENT, header.node, header.epoch, f"{challenge.function}: {error}")
        else:
            detail = f"{challenge.function} ended the header"
            yield Action(Act.PROVED, header.node, header.epoch, detail, mined.transaction_hash)

    async def _demand(self, challenge: Challenge) -> AsyncIterator[Action]:
        """Demands what nobody has demanded, and ends the header if nobody answers."""
        header, item = challenge.header, challenge.item
        assert item is not None
        node, epoch = header.node, header.epoch
        state = await self._contract.demand_of(node, epoch, item)
        if state.author is None and not state.is_answered:
            async for action in self._open(challenge, item):
                yield action
        else:
            async for action in self._collection.await_answer(node, epoch, item):
                yield action

    async def _open(self, challenge: Challenge, item: Item) -> AsyncIterator[Action]:
        header = challenge.header
        node, epoch = header.node, header.epoch
        now = (await self.registries.client.head()).timestamp
        active_from = await self._contract.active_from(header)
        if active_from is None or now >= active_from:
            yield Action(Act.TOO_LATE, node, epoch, f"{item} cannot be demanded: the window of the header has passed")
            return
        bond = await self._contract.bond_of(item, node, epoch)
        value = await self.sender.bond_with_headroom(bond)
        try:
            mined = await self.sender.send(self._contract.challenge(challenge, value))
        except CallReverted as error:
            yield Action(Act.REFUSED, node, epoch, f"{challenge.function} would revert: {error.reason}")
        except LATER as error:
            yield Action(Act.NOT_SENT, node, epoch, f"{challenge.function}: {error}")
        else:
            paid = (await self._contract.demand_of(node, epoch, item)).bond or bond
            detail = f"{challenge.function} of {item} with a bond of {paid / 10**18:.9g} coins"
            yield Action(Act.DEMANDED, node, epoch, detail, mined.transaction_hash, paid)
