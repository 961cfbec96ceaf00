"""The node answers demands on its own headers: each once, through its outbox, whatever the gas of it is worth.

A demand that nobody answers costs the stake, so no profit gate holds an answer back. `max_gas_price_gwei` does, because
it is the operator's promise of what a transaction may cost; near the deadline the node says so, and stops selling.
"""

import asyncio
from collections.abc import Callable

import structlog

from attribution.answers import BatchAnswers, NotRebuilt
from attribution.split import InvalidSplit
from contracts.crypto import Bytes32
from contracts.structs import BatchHeader
from node.chain import answer_calls
from node.chain.client import Call
from node.chain.contracts import Contract
from node.chain.demands import Demand
from node.settlement.answer_states import AnswerState, Progress, answer_state
from node.settlement.chain_progress import ChainProgress
from node.settlement.cycle import Parts
from node.settlement.errors import LedgerBroken
from node.store.outbox import State

RETRY_S = 30
"""How long a refused answer waits before it is tried again: an endpoint behind a load balancer may lag."""
REMIND_S = 600
"""How often it is logged that the stake is at risk."""
_ELSEWHERE = (
    "answer it from the batches' public files, with any account: `settle answer --file FILE…` or `watch --answer`"
)

_log = structlog.get_logger("node.settlement.answers")


class Answers:
    """Answers the open demands of one vault. `run` may be called at any time and as often as wanted."""

    def __init__(
        self,
        parts: Parts,
        challenges: Contract,
        progress: Callable[[], ChainProgress],
        clock: Callable[[], int],
    ) -> None:
        """progress: what the chain has recorded, up to the newest followed block. clock: unix seconds."""
        self._book, self._batcher, self._outbox = parts.book, parts.batcher, parts.outbox
        self._follower, self._challenges, self._progress, self._clock = parts.follower, challenges, progress, clock
        self._kept: tuple[Bytes32, BatchAnswers] | None = None
        self._impossible: dict[Demand, tuple[str, int]] = {}
        self._reminded_at: int | None = None
        self._started = False

    async def run(self) -> tuple[AnswerState, ...]:
        """Sends an answer to every open demand that has none yet, and returns how far all answers are.

        Raises ChainError or StoreError; what was not sent then is sent by the next run.
        """
        demands = self._progress().demands.by_deadline()
        self._impossible = {demand: tried for demand, tried in self._impossible.items() if demand in demands}
        if not demands:
            self._kept, self._started = None, True
            return ()
        sent = [await self._submit(demand) for demand in demands]
        if any(sent):
            await self._outbox.advance()
        states = await self.states()
        self._started = self._started or not any(state.progress is Progress.WAITS for state in states)
        self._remind(states)
        return states

    async def states(self) -> tuple[AnswerState, ...]:
        """Every open demand, the most urgent first, with the state of its answer."""
        return tuple([await self._state(demand) for demand in self._progress().demands.by_deadline()])

    def problem(self, states: tuple[AnswerState, ...]) -> str | None:
        """Why nothing may be sold: the stake is at risk, or demands from before the start are not answered yet."""
        if risky := [state for state in states if state.at_risk(self._now)]:
            more = f" (and {len(risky) - 1} more)" if len(risky) > 1 else ""
            return f"the stake is at risk: {risky[0]}{more}."
        waiting = [state for state in states if state.progress is Progress.WAITS]
        if waiting and not self._started:
            return f"{len(waiting)} demands are answered first. {waiting[0]}."
        return None

    async def _state(self, demand: Demand) -> AnswerState:
        if (tried := self._impossible.get(demand)) is not None:
            return AnswerState(demand, Progress.IMPOSSIBLE, tried[0])
        return answer_state(demand, await self._outbox.find(demand.intent))

    async def _submit(self, demand: Demand) -> bool:
        """Stores the intent to answer. Returns whether there is something to send."""
        found, tried = await self._outbox.find(demand.intent), self._impossible.get(demand)
        if found is not None and (found.state is not State.FAILED or not self._is_due_again(found.changed_at)):
            return found.state is State.INTENDED
        if tried is not None and not self._is_due_again(tried[1]):
            return False
        try:
            call = await self._call(demand)
        except (LedgerBroken, NotRebuilt, InvalidSplit, IndexError) as error:
            self._give_up(demand, str(error))
            return False
        self._impossible.pop(demand, None)
        await self._outbox.submit(demand.intent, call)
        _log.info("demand_seen", epoch=demand.epoch, item=demand.place, deadline=demand.deadline, bond=demand.bond)
        return True

    def _is_due_again(self, tried_at: int) -> bool:
        return self._clock() - tried_at >= RETRY_S

    def _give_up(self, demand: Demand, reason: str) -> None:
        """Keeps the reason until the next try."""
        if demand not in self._impossible:
            _log.error("demand_unanswerable", epoch=demand.epoch, item=demand.place, reason=reason)
        self._impossible[demand] = f"{reason}; {_ELSEWHERE}", self._clock()

    @property
    def _now(self) -> int:
        """The time by which deadlines are judged: the chain's, or this machine's if that is later."""
        return max(self._clock(), self._follower.head.timestamp)

    async def _call(self, demand: Demand) -> Call:
        header = self._header(demand.epoch)
        if not isinstance(demand.subject, int):
            tree = self._book.tip_at(demand.epoch).state.tree
            return answer_calls.show_payee(self._challenges, header, tree, demand.subject)
        previous = self._book.batches[demand.epoch - 2].header if demand.epoch > 1 else None
        answers = await self._answers(header)
        return await asyncio.to_thread(answer_calls.justify, self._challenges, answers, previous, demand.subject)

    def _header(self, epoch: int) -> BatchHeader:
        """The posted header of an epoch. Raises LedgerBroken if it is not the one of this database."""
        posted, held = self._progress().posted.get(epoch), self._book.batches
        if epoch > len(held) or (posted is not None and posted.header_hash != held[epoch - 1].header_hash):
            raise LedgerBroken(f"epoch {epoch}", "the chain has a batch that is not in this database")
        return held[epoch - 1].header

    async def _answers(self, header: BatchHeader) -> BatchAnswers:
        """The batch of a header, kept for the next demand: demands on one batch come in crowds."""
        header_hash = header.struct_hash()
        if self._kept is None or self._kept[0] != header_hash:
            self._kept = header_hash, await self._batcher.answers(header.epoch)
        return self._kept[1]

    def _remind(self, states: tuple[AnswerState, ...]) -> None:
        now = self._now
        risky = [state for state in states if state.at_risk(now)]
        if not risky:
            self._reminded_at = None
        elif self._reminded_at is None or now - self._reminded_at >= REMIND_S:
            self._reminded_at = now
            for state in risky:
                _log.error("stake_at_risk", epoch=state.demand.epoch, item=state.demand.place, state=str(state))
