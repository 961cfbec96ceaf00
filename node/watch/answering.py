"""Answers demands on the headers of any node whose files are at hand, with the watcher's own key, for the bond."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from attribution.answers import BatchAnswers, NotRebuilt
from attribution.receipts_file import InvalidReceiptsFile, ReceiptsFile
from attribution.replay import Replay
from attribution.split import InvalidSplit
from contracts.crypto import Address
from contracts.structs import BatchHeader
from node.chain import answer_calls
from node.chain.client import Call
from node.chain.demands import Demand
from node.chain.errors import CallReverted, ChainError, GasTooDear, TransactionRefused
from node.chain.fees import DEFAULT_CAP, gas_price
from node.chain.transactions import TransactionSigner
from node.settlement.direct_sending import send_calls
from node.settlement.errors import SettlementError
from node.watch.open_demands import DemandReader
from node.watch.source import NodeSource, SourceMalformed, SourceUnavailable

_ANSWERED = "NoDemand("
_OTHER_HEADER = "UnknownHeader("
_KEPT_BATCHES = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one open demand. cost: of the gas, in wei, as far as it is known; reason: why it is not answered.

    transaction: the 0x hash of the answer; None if none was sent.
    """

    demand: Demand
    reason: str | None = None
    cost: int | None = None
    transaction: str | None = None

    def __str__(self) -> str:
        if self.reason is not None:
            return f"{self.demand} is not answered: {self.reason}"
        return f"{self.demand} is answered for a bond of {self.demand.bond} wei and gas of {self.cost}"

    def to_json(self) -> dict[str, object]:
        """As a JSON object; amounts in wei, as decimal strings."""
        demand = self.demand
        return {
            "node": demand.node,
            "epoch": demand.epoch,
            "item": demand.place,
            "bond": str(demand.bond),
            "answerBy": demand.deadline,
            "answered": self.reason is None,
            "reason": self.reason,
            "gasCost": None if self.cost is None else str(self.cost),
            "transaction": self.transaction,
        }


@dataclass(frozen=True, slots=True)
class Files:
    """The receipts files of one node: the replay that they gave, those that are kept, and where the others are.

    first: the header that a replay from a checkpoint starts after.
    """

    replay: Replay
    kept: Mapping[int, ReceiptsFile]
    source: NodeSource | None = None
    first: BatchHeader | None = None

    async def header(self, epoch: int) -> BatchHeader:
        """The header of an epoch. Raises NotRebuilt if its file cannot be had."""
        if self.first is not None and self.first.epoch == epoch:
            return self.first
        return (await self.of(epoch)).header

    async def of(self, epoch: int) -> ReceiptsFile:
        """The file of an epoch. Raises NotRebuilt if there is no valid one."""
        if epoch in self.kept:
            return self.kept[epoch]
        if self.source is None:
            raise NotRebuilt(f"the file of epoch {epoch} was not given")
        try:
            raw = await asyncio.to_thread(self.source.receipts_file, epoch)
            return await asyncio.to_thread(ReceiptsFile.decode, raw)
        except (SourceUnavailable, SourceMalformed, InvalidReceiptsFile) as error:
            raise NotRebuilt(f"no valid file of epoch {epoch} can be had: {error}") from error


@dataclass(slots=True)
class Answerer:
    """Answers open demands with one key. max_fee_cap: the most that is paid, in wei per gas.

    at_a_loss: answer even if the bond does not pay for the gas. Several answerers may race: the contract pays one, and
    the simulation stops the others.
    """

    demands: DemandReader
    signer: TransactionSigner
    at_a_loss: bool = False
    max_fee_cap: int = DEFAULT_CAP
    _batches: dict[tuple[Address, int], BatchAnswers] = field(default_factory=dict)

    async def answer(self, node: Address, files: Files) -> list[Answer]:
        """Answers every open demand on the headers of a node; says for each whether and why not.

        Demands that somebody else answered meanwhile are left out. Raises ChainError if the demands cannot be read.
        """
        done = []
        for demand in await self.demands.open(node):
            try:
                answer = await self._attend(demand, await self._call(demand, files))
            except (NotRebuilt, InvalidSplit, IndexError) as error:
                answer = Answer(demand, f"its evidence cannot be made: {error}")
            except (ChainError, SettlementError) as error:
                answer = Answer(demand, str(error))
            if answer is not None:
                done.append(answer)
        return done

    async def _attend(self, demand: Demand, call: Call) -> Answer | None:
        """Simulates, compares gas and bond, sends. None if the demand is open no more."""
        client = self.demands.client
        try:
            gas = await client.estimate_gas(call, self.signer.address)
            cost = gas * (await gas_price(client, self.max_fee_cap)).total
        except CallReverted as error:
            return None if error.reason.startswith(_ANSWERED) else Answer(demand, _refusal(error.reason))
        except GasTooDear as error:
            return Answer(demand, str(error))
        if cost > demand.bond and not self.at_a_loss:
            reason = f"its bond of {demand.bond} wei does not pay for gas of {cost} wei (--answer-at-a-loss answers it)"
            return Answer(demand, reason, cost)
        try:
            (mined,) = await send_calls(client, self.signer, [call], max_fee_cap=self.max_fee_cap)
        except TransactionRefused as error:
            return Answer(demand, f"{error} If another program sends with this key, the next look tries again.", cost)
        paid = mined.gas_used * mined.gas_price
        return Answer(demand, None, paid, "0x" + mined.transaction_hash.hex())

    async def _call(self, demand: Demand, files: Files) -> Call:
        """The call that answers a demand. Raises NotRebuilt, InvalidSplit or IndexError if the files do not give it."""
        contract, epoch = self.demands.contract, demand.epoch
        file = await files.of(epoch)
        tips = {tip.epoch: tip for tip in files.replay.tips}
        if not isinstance(demand.subject, int):
            after = tips.get(epoch)
            if after is None or after.state.root != file.header.state_root:
                raise NotRebuilt(f"the state after epoch {epoch} cannot be rebuilt from the files")
            return answer_calls.show_payee(contract, file.header, after.state.tree, demand.subject)
        if epoch - 1 not in tips:
            raise NotRebuilt(f"the state before epoch {epoch} cannot be rebuilt from the files")
        batch = await self._batch(demand, file, files)
        previous = await self._previous(demand, files)
        return await asyncio.to_thread(answer_calls.justify, contract, batch, previous, demand.subject)

    async def _batch(self, demand: Demand, file: ReceiptsFile, files: Files) -> BatchAnswers:
        """The batch of a file, kept for the next demand."""
        key = demand.node, demand.epoch
        held = self._batches.get(key)
        if held is None or held.header != file.header:
            tip = next(tip for tip in files.replay.tips if tip.epoch == demand.epoch - 1)
            items = [entry.item for entry in file.entries]
            held = await asyncio.to_thread(BatchAnswers.of, tip, file.header, items)
            self._batches[key] = held
            while len(self._batches) > _KEPT_BATCHES:
                del self._batches[next(iter(self._batches))]
        return held

    async def _previous(self, demand: Demand, files: Files) -> BatchHeader | None:
        return await files.header(demand.epoch - 1) if demand.epoch > 1 else None


def _refusal(reason: str) -> str:
    if reason.startswith(_OTHER_HEADER):
        return "the header of the file is not the one that is posted: get the file from another mirror"
    return f"the contracts refuse the evidence, so nothing may justify it: {reason}"
