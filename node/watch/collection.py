"""The account's own demands after they were made: they are answered, expire, or their bonds come back."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from contracts.crypto import Address, Bytes32
from node.chain.client import Call
from node.chain.demands import KIND_LEAF
from node.chain.errors import CallReverted, GasTooDear
from node.watch.actions import Act, Action
from node.watch.challenges import Item, item_of
from node.watch.history import DemandMade, History, Posting
from node.watch.postings import ChallengesContract
from node.watch.sender import LATER, Sender

_COLLECT_GAS = 60_000
"""More than `reclaim` or `withdraw` takes."""


@dataclass(slots=True)
class Collection:
    """Follows the demands of the sender's account."""

    history: History
    contract: ChallengesContract
    sender: Sender
    _collected: set[tuple[Item, Address, int, Bytes32, int]] = field(default_factory=set)

    async def collect(self, node: Address) -> AsyncIterator[Action]:
        """The next step of every demand on a node's headers, then what can be withdrawn. Raises ChainError."""
        for demand in self.history.demands(node, self.sender.address):
            if demand.posting is None:
                continue
            if await self._is_alive(demand.posting):
                async for action in self.await_answer(node, demand.epoch, demand.item):
                    yield action
            else:
                async for action in self._reclaim(demand, demand.posting):
                    yield action
        for collected in (self._withdraw, self._reward, self._restore):
            async for action in collected(node):
                yield action

    async def await_answer(self, node: Address, epoch: int, item: Item) -> AsyncIterator[Action]:
        """Reports a demand, and ends the header once the time of the answer has passed. Raises ChainError."""
        state = await self.contract.demand_of(node, epoch, item)
        now = (await self.sender.client.head()).timestamp
        if state.is_answered:
            yield Action(Act.ANSWERED, node, epoch, self._answer(node, epoch, item))
        elif state.author is not None and now < state.deadline:
            who = "this account" if state.author == self.sender.address else state.author
            detail = f"{item} was demanded by {who}; the header can die of it at {state.deadline} (unix seconds)"
            yield Action(Act.WAITING, node, epoch, detail)
        elif state.author is not None:
            detail = f"nobody answered the demand of {item} in time: the header is dead"
            expired = Action(Act.EXPIRED, node, epoch, detail)
            async for action in self._sent(expired, self.contract.expire(node, epoch, item)):
                yield action

    def _answer(self, node: Address, epoch: int, item: Item) -> str:
        if item.kind == KIND_LEAF:
            return f"the demand of {item} was answered: the receipt is justified"
        for shown in reversed(self.history.shown_of(node, epoch)):
            if item_of(shown.payee) == item:
                return f"the payee earned {shown.cumulative} base units up to here; `claim --shown` can claim it"
        return f"the demand of {item} was answered"

    async def _is_alive(self, posting: Posting) -> bool:
        return await self.contract.active_from(posting.header) == posting.active_from

    async def _reclaim(self, demand: DemandMade, posting: Posting) -> AsyncIterator[Action]:
        node, epoch, item = demand.node, demand.epoch, demand.item
        key = (item, node, epoch, posting.commitment, posting.active_from)
        if key in self._collected or not await self._is_worth(demand.bond):
            return
        call = self.contract.reclaim(node, epoch, item, posting.commitment, posting.active_from)
        try:
            await self.sender.client.estimate_gas(call, self.sender.address)
        except CallReverted:  # answered, or returned already
            self._collected.add(key)
            return
        detail = f"the bond of the demand of {item} came back"
        async for action in self._sent(Action(Act.RECLAIMED, node, epoch, detail, amount=demand.bond), call):
            yield action

    async def _withdraw(self, node: Address) -> AsyncIterator[Action]:
        returned = await self.contract.returned_to(self.sender.address)
        if returned and await self._is_worth(returned):
            detail = f"{returned / 10**18:.9g} coins of returned bonds"
            call = self.contract.withdraw(self.sender.address)
            async for action in self._sent(Action(Act.WITHDREW, node, None, detail, amount=returned), call):
                yield action

    async def _reward(self, node: Address) -> AsyncIterator[Action]:
        account = self.sender.address
        token, amount = await self.contract.reward_of(node, account)
        if amount:
            done = Action(Act.REWARDED, node, None, f"{amount} base units of {token} from slashed stakes")
            async for action in self._sent(done, self.contract.withdraw_reward(token, account)):
                yield action

    async def _restore(self, node: Address) -> AsyncIterator[Action]:
        """Only after a death that this account caused: nobody else has to pay for it."""
        mine = any(death.challenger == self.sender.address for death in self.history.deaths(node))
        if mine and (amount := await self.contract.slashed_of(node)):
            done = Action(Act.RESTORED, node, None, f"{amount} base units of stake went to the payees or were burned")
            async for action in self._sent(done, self.contract.settle_slash(node)):
                yield action

    async def _is_worth(self, amount: int) -> bool:
        try:
            return await self.sender.is_worth(amount, _COLLECT_GAS)
        except GasTooDear:
            return False

    async def _sent(self, done: Action, call: Call) -> AsyncIterator[Action]:
        """Sends a call, and yields `done` with its transaction, or why it was not sent."""
        try:
            mined = await self.sender.send(call)
        except CallReverted as error:
            yield replace(done, act=Act.REFUSED, detail=f"{done.act} would revert: {error.reason}")
        except LATER as error:
            yield replace(done, act=Act.NOT_SENT, detail=f"{done.act}: {error}")
        else:
            yield replace(done, transaction=mined.transaction_hash)
