"""The open demands on a node's headers, read from the chain alone.

Without a demand this costs two reads. With one, the events are read backwards from the head until all are found.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.crypto import Address
from node.chain import events
from node.chain.abi import abi_of
from node.chain.client import ChainClient, Log
from node.chain.contracts import Contract, SettlementContract, read_many
from node.chain.demand_events import LeafDemanded, PayeeDemanded
from node.chain.demands import Demand
from node.chain.follower import BLOCK_RANGE

_CONTRACT = "Challenges"
_DEMANDS = ("LeafDemanded", "PayeeDemanded")


@dataclass(frozen=True, slots=True)
class DemandReader:
    """Reads demands through one client. challenges, settlement: addresses of the contracts."""

    client: ChainClient
    challenges: Address
    settlement: Address

    @property
    def contract(self) -> Contract:
        """The Challenges contract."""
        return Contract(self.client, _CONTRACT, self.challenges)

    async def open(self, node: Address) -> tuple[Demand, ...]:
        """All open demands on the headers of a node, the most urgent first. Raises ChainError."""
        ledger = await SettlementContract(self.client, self.settlement).ledger(node)
        epochs = range(ledger.active_epoch + 1, ledger.last_epoch + 1)  # a demand holds up activation
        counts = await read_many(self.client, [(self.contract, "openDemands", (node, epoch)) for epoch in epochs])
        wanted = {epoch: int(count) for epoch, (count,) in zip(epochs, counts, strict=True) if count}
        found = await self._search(node, wanted) if wanted else []
        return tuple(sorted(found, key=lambda demand: (demand.deadline, demand.epoch, demand.place)))

    async def _search(self, node: Address, wanted: Mapping[int, int]) -> list[Demand]:
        """The open demands among the events, newest blocks first, until there are as many as the contract counts."""
        topics = [abi_of(_CONTRACT).events[name].topic for name in _DEMANDS]
        last, found = (await self.client.head()).number, dict[tuple[int, str], Demand]()
        while last >= 0 and len(found) < sum(wanted.values()):
            first = max(0, last - BLOCK_RANGE + 1)
            logs = await self.client.logs([self.challenges], topics, first, last)
            made = [demand for log in logs if (demand := _demand(log)) is not None]
            candidates = [demand for demand in made if demand.node == node and demand.epoch in wanted]
            found |= {(demand.epoch, demand.place): demand for demand in await self._still_open(candidates)}
            last = first - 1
        return list(found.values())

    async def _still_open(self, demands: list[Demand]) -> list[Demand]:
        """Those that the contract has under the header that is posted now, neither answered nor ended."""
        reads: list[tuple[Contract, str, tuple[object, ...]]] = [
            (self.contract, "demandOf", (one.node, one.epoch, one.kind, one.item)) for one in demands
        ]
        held = await read_many(self.client, reads)
        return [one for one, (author, *_) in zip(demands, held, strict=True) if int(author, 16)]


def _demand(log: Log) -> Demand | None:
    event = events.parse(_CONTRACT, log)
    return Demand.of(event) if isinstance(event, LeafDemanded | PayeeDemanded) else None
