"""Reads proposals from the Governor contract, and builds the calls of proposers, voters and executors."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from contracts.crypto import Address, Bytes32, keccak, to_address
from local_chain.deployment import Deployment
from node.chain.abi import abi_of
from node.chain.client import Call, ChainClient
from node.chain.contracts import Contract
from node.chain.errors import ChainError
from node.governance.parameters import Change, Parameter, change_of


class ProposalState(IntEnum):
    """IGovernor.ProposalState of OpenZeppelin."""

    PENDING = 0
    ACTIVE = 1
    CANCELED = 2
    DEFEATED = 3
    SUCCEEDED = 4
    QUEUED = 5
    EXPIRED = 6
    EXECUTED = 7


class Support(IntEnum):
    """GovernorCountingSimple.VoteType of OpenZeppelin."""

    AGAINST = 0
    FOR = 1
    ABSTAIN = 2


@dataclass(frozen=True, slots=True)
class Votes:
    """The votes for, against and abstaining, and the quorum of for and abstaining; in OPEN base units."""

    for_: int
    against: int
    abstain: int
    quorum: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal. votes_from, votes_until, ready_at: unix seconds; ready_at is 0 before the proposal is queued.

    why: the proposer's description, None if the chain's log of it could not be read.
    """

    id: int
    state: ProposalState
    changes: tuple[Change, ...]
    votes: Votes
    votes_from: int
    votes_until: int
    ready_at: int
    why: str | None = None


class GovernorReader:
    """The Governor of one deployment."""

    def __init__(self, client: ChainClient, deployment: Deployment) -> None:
        self._client, self._deployment = client, deployment
        self._governor = Contract(client, "OpenGovernor", deployment.governor)

    async def proposals(self) -> list[Proposal]:
        """All proposals, newest first."""
        (count,) = await self._governor.read("proposalCount")
        return [await self._at(index) for index in reversed(range(count))]

    async def proposal(self, proposal_id: int) -> Proposal:
        """One proposal with its description. Raises CallReverted if there is none with this id."""
        targets, _, datas, _ = await self._governor.read("proposalDetails", proposal_id)
        return await self._proposal(proposal_id, targets, datas, await self._why(proposal_id))

    async def present(self, parameter: Parameter) -> str | None:
        """The parameter's value now, for people; None if it has no single value."""
        return None if parameter.getter is None else parameter.values[0].show(await self.value(parameter))

    async def value(self, parameter: Parameter) -> Any:
        """The parameter's value now, as its contract returns it. Only for parameters with a getter."""
        assert parameter.getter is not None, f"{parameter.name} has no single value"
        contract = Contract(self._client, parameter.contract, parameter.address(self._deployment))
        (value,) = await contract.read(parameter.getter)
        return value

    async def simulate(self, call: Call) -> None:
        """Raises CallReverted if the timelock could not make this call now, as when a value is out of bounds."""
        await self._client.call(call, self._deployment.timelock)

    async def voting_power(self, account: Address) -> tuple[int, int]:
        """The account's delegated votes and its balance, in OPEN base units."""
        token = Contract(self._client, "OpenToken", self._deployment.open_token)
        (votes,), (balance,) = await token.read("getVotes", account), await token.read("balanceOf", account)
        return votes, balance

    async def threshold(self) -> int:
        """The votes that a proposer needs, in OPEN base units."""
        (threshold,) = await self._governor.read("proposalThreshold")
        return int(threshold)

    async def has_voted(self, proposal_id: int, account: Address) -> bool:
        """Whether the account has voted on the proposal."""
        (voted,) = await self._governor.read("hasVoted", proposal_id, account)
        return bool(voted)

    def propose(self, calls: Sequence[Call], why: str) -> tuple[int, Call]:
        """The id of the proposal to make these calls, and the call that proposes it."""
        targets, datas = [call.to for call in calls], [call.data for call in calls]
        values = [0] * len(calls)
        hashed = abi_of("OpenGovernor").functions["hashProposal"]
        arguments = hashed.encode(targets, values, datas, keccak(why.encode()))[4:]
        return int.from_bytes(keccak(arguments)), self._governor.to_call("propose", targets, values, datas, why)

    def vote(self, proposal_id: int, support: Support, why: str) -> Call:
        """The call that votes."""
        return self._governor.to_call("castVoteWithReason", proposal_id, support, why)

    def queue(self, proposal_id: int) -> Call:
        """The call that hands an accepted proposal to the timelock."""
        return self._governor.to_call("queue(uint256)", proposal_id)

    def execute(self, proposal_id: int) -> Call:
        """The call that executes a queued proposal after its delay."""
        return self._governor.to_call("execute(uint256)", proposal_id)

    def delegate(self, to: Address) -> Call:
        """The call that gives the sender's votes to an account, which may be its own."""
        return Contract(self._client, "OpenToken", self._deployment.open_token).to_call("delegate", to)

    async def _at(self, index: int) -> Proposal:
        proposal_id, targets, _, datas, _ = await self._governor.read("proposalDetailsAt", index)
        return await self._proposal(proposal_id, targets, datas, None)

    async def _proposal(
        self, proposal_id: int, targets: Sequence[str], datas: Sequence[bytes], why: str | None
    ) -> Proposal:
        read = self._governor.read
        (state,), (start,), (end,) = (
            await read("state", proposal_id),
            await read("proposalSnapshot", proposal_id),
            await read("proposalDeadline", proposal_id),
        )
        against, for_, abstain = await read("proposalVotes", proposal_id)
        (ready_at,) = await read("proposalEta", proposal_id)
        now = (await self._client.head()).timestamp
        (quorum,) = await read("quorum", min(start, now - 1))  # later times have no checkpoints yet
        changes = (
            change_of(Call(to_address(to), data), self._deployment) for to, data in zip(targets, datas, strict=True)
        )
        votes = Votes(for_, against, abstain, quorum)
        return Proposal(proposal_id, ProposalState(state), tuple(changes), votes, start, end, ready_at, why)

    async def _why(self, proposal_id: int) -> str | None:
        """The description is only in the event. Nodes that refuse to search all blocks leave it unknown."""
        event = abi_of("OpenGovernor").events["ProposalCreated"]
        try:
            head = await self._client.head()
            logs = await self._client.logs([self._deployment.governor], [Bytes32(event.topic)], 0, head.number)
            values = (event.decode(log) for log in logs)
            return next((found["description"] for found in values if found["proposalId"] == proposal_id), None)
        except ChainError:
            return None
