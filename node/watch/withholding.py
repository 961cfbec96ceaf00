"""What is demanded while a node withholds the files of posted headers.

The header comes from the chain's log. An account that is shown what it earned pays the bond to whoever shows it, so a
payee is demanded at most once in the time of an answer: else a node whose web server is away would earn
by every header.

A payee that is shown proves nothing about the other receipts. An operator could hide a forged receipt, show every payee
that is demanded, and then take what its honest payees have not claimed. So a few leaves are demanded, too, drawn at
random so that the operator cannot know them: nobody can justify a forged one.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from attribution.findings import Fault, Finding
from attribution.split import Payee
from contracts.crypto import Address
from node.chain.demands import KIND_LEAF
from node.watch.challenges import Challenge, demand_leaf, demand_payee, item_of
from node.watch.history import DemandMade, History, Posting
from node.watch.postings import ChallengesContract
from node.watch.watched import Watched

HURRY_S = 600
"""With less time left in the window, a missing file is demanded at once."""
SAMPLES = 4
"""How many leaves of one node are demanded in the time of an answer: each costs a bond if it is justified."""
_DRAWS = 16


@dataclass(slots=True)
class Withholding:
    """The demands of `author` for `payees`. patience: how many looks in a row a file must be missing before."""

    history: History
    contract: ChallengesContract
    author: Address
    payees: Sequence[Payee]
    patience: int
    _missed: dict[Address, int] = field(default_factory=dict)

    async def demands(self, node: Address, watched: Watched, findings: Sequence[Finding]) -> AsyncIterator[Challenge]:
        """What to demand after one look: nothing that is shown already. Raises ChainError."""
        missing = [finding.epoch for finding in findings if finding.fault is Fault.WITHHELD]
        if not missing:
            self._missed.pop(node, None)
            return
        self._missed[node] = self._missed.get(node, 0) + 1
        for payee in self.payees:
            posting = await self._target(node, min(missing), await watched.last_epoch(), payee)
            if posting is not None and await self._is_due(node, posting):
                yield demand_payee(posting.header, payee)
        sample = await self._sample(node, min(missing))
        if sample is not None:
            yield sample

    async def _target(self, node: Address, first: int, last: int, payee: Payee) -> Posting | None:
        """The first header whose file is missing; once the payee was shown there or later, the newest one."""
        item, now = item_of(payee), (await self.history.client.head()).timestamp
        shown = [one.epoch for one in self.history.shown(payee) if one.node == node]
        epoch = last if any(at >= first for at in shown) else first
        posting = await self.history.posting(node, epoch)
        for demand in self.history.demands(node, self.author):
            recent = demand.item == item and demand.posting is not None and now < demand.deadline
            if recent and demand.posting != posting and await self._stands(demand.posting):
                return None
        return posting

    async def _sample(self, node: Address, epoch: int) -> Challenge | None:
        """A leaf of the first header whose file is missing: once its payee was shown, or just before its window ends.

        One after the other, as the first may be enough; all at once if there is little time.
        """
        posting, now = await self.history.posting(node, epoch), (await self.history.client.head()).timestamp
        if posting is None or now >= posting.active_from:
            return None
        hurried = posting.active_from - now < HURRY_S
        if not hurried and not self.history.shown_of(node, epoch):
            return None
        made = [one for one in self.history.demands(node, self.author) if _is_recent_leaf(one, now)]
        if len(made) >= SAMPLES or (not hurried and await self._any_open(made)):
            return None
        for _ in range(_DRAWS):
            drawn = demand_leaf(posting.header, secrets.randbelow(posting.header.count))
            assert drawn.item is not None
            if (await self.contract.demand_of(node, epoch, drawn.item)).opened_at == 0:
                return drawn
        return None

    async def _any_open(self, demands: Sequence[DemandMade]) -> bool:
        states = [await self.contract.demand_of(one.node, one.epoch, one.item) for one in demands]
        return any(state.author is not None for state in states)

    async def _stands(self, posting: Posting | None) -> bool:
        return posting is not None and await self.contract.active_from(posting.header) == posting.active_from

    async def _is_due(self, node: Address, posting: Posting) -> bool:
        now = (await self.history.client.head()).timestamp
        return self._missed[node] >= self.patience or posting.active_from - now < HURRY_S


def _is_recent_leaf(demand: DemandMade, now: int) -> bool:
    return demand.item.kind == KIND_LEAF and now < demand.deadline
