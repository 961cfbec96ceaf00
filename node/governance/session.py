"""What a person does with proposals: each verb returns a JSON document, with amounts as decimal strings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from attribution.batch import Item
from contracts.crypto import Address, PrivateKey
from local_chain.deployment import Deployment
from node.chain.client import Call, ChainClient
from node.chain.errors import CallReverted
from node.chain.fees import DEFAULT_CAP
from node.governance.effects import effect_of_treasury_ppm, effect_of_window
from node.governance.governor import GovernorReader, Proposal, ProposalState, Support
from node.governance.parameters import PARAMETERS, Change, InvalidChange, change_of, parameter_named
from node.settlement.direct_sending import send_calls

Document = dict[str, object]
_SUPPORT = {"for": Support.FOR, "against": Support.AGAINST, "abstain": Support.ABSTAIN}


@dataclass(frozen=True, slots=True)
class GovernanceSession:
    """One person's access to governance.

    key: unlocks the account, only when something is sent.   last_items: a node's last receipts, for simulations.
    max_fee_cap: the most that a transaction pays, in wei per gas.
    Every verb raises ChainError; those that send raise TransactionFailed and TransactionPending too.
    """

    client: ChainClient
    deployment: Deployment
    key: Callable[[], PrivateKey]
    last_items: Callable[[], Sequence[Item]]
    max_fee_cap: int = DEFAULT_CAP

    @property
    def governor(self) -> GovernorReader:
        """The contract's reader."""
        return GovernorReader(self.client, self.deployment)

    async def parameters(self) -> Document:
        """Every parameter with its present value."""
        rows = [
            {
                "name": parameter.name,
                "takes": [value.name for value in parameter.values],
                "now": await self.governor.present(parameter),
                "rule": parameter.rule,
            }
            for parameter in PARAMETERS
        ]
        return {"parameters": rows}

    async def listed(self) -> Document:
        """All proposals, newest first."""
        return {"proposals": [_proposal_json(proposal) for proposal in await self.governor.proposals()]}

    async def shown(self, written_id: str) -> Document:
        """A proposal, its changes beside the present values, and their simulated effect. Raises InvalidChange."""
        proposal = await self.governor.proposal((await self._find(written_id)).id)
        return {"proposal": _proposal_json(proposal), "changes": await self._differences(proposal.changes)}

    async def propose(self, name: str, words: list[str], why: str, *, dry_run: bool) -> Document:
        """Proposes to set a parameter. Raises InvalidChange if it is no change, out of bounds, or without votes."""
        call = parameter_named(name).call(self.deployment, words)
        change = change_of(call, self.deployment)
        try:
            await self.governor.simulate(call)
        except CallReverted as refusal:
            raise InvalidChange(f"{change.text}: the contract refuses it: {refusal.reason}") from refusal
        document: Document = {"changes": await self._differences((change,))}
        if dry_run:
            return document | {"dryRun": True}
        key = self.key()
        await self._check_power(key.address)
        # only this account can propose the text, so nobody proposes it first to cancel it
        proposal_id, proposing = self.governor.propose([call], f"{why}#proposer={key.address.lower()}")
        return document | {"id": str(proposal_id)} | await self._send(key, proposing)

    async def vote(self, written_id: str, choice: str, why: str, *, dry_run: bool) -> Document:
        """Votes. Raises InvalidChange if the vote has not begun or has ended, or the account has voted."""
        proposal = await self._find(written_id)
        if proposal.state not in (ProposalState.PENDING, ProposalState.ACTIVE):
            raise InvalidChange(f"the vote has ended: the proposal is {proposal.state.name.lower()}")
        document: Document = {"id": str(proposal.id), "vote": choice}
        if dry_run:
            return document | {"dryRun": True}
        key = self.key()
        if await self.governor.has_voted(proposal.id, key.address):
            raise InvalidChange(f"{key.address} has voted already, and a vote cannot be changed")
        return document | await self._send(key, self.governor.vote(proposal.id, _SUPPORT[choice], why))

    async def execute(self, written_id: str, *, dry_run: bool) -> Document:
        """Queues an accepted proposal, or executes a queued one. Raises InvalidChange in every other state."""
        proposal = await self._find(written_id)
        steps = {
            ProposalState.SUCCEEDED: ("queue", self.governor.queue),
            ProposalState.QUEUED: ("execute", self.governor.execute),
        }
        if proposal.state not in steps:
            raise InvalidChange(f"the proposal is {proposal.state.name.lower()}: there is nothing to queue or execute")
        step, call_of = steps[proposal.state]
        document: Document = {"id": str(proposal.id), "step": step}
        return document | {"dryRun": True} if dry_run else document | await self._send(self.key(), call_of(proposal.id))

    async def delegate(self, to: Address, *, dry_run: bool) -> Document:
        """Gives the account's votes to `to`."""
        document: Document = {"delegate": to}
        if dry_run:
            return document | {"dryRun": True}
        sent = await self._send(self.key(), self.governor.delegate(to))
        votes, _ = await self.governor.voting_power(to)
        return document | sent | {"votes": str(votes)}

    async def _find(self, written_id: str) -> Proposal:
        """The proposal whose id begins with what was written."""
        found = [each for each in await self.governor.proposals() if str(each.id).startswith(written_id)]
        if len(found) != 1 or not written_id:
            raise InvalidChange(f"{written_id!r} begins the id of {len(found) or 'no'} proposals")
        return found[0]

    async def _check_power(self, account: Address) -> None:
        (votes, balance), needed = await self.governor.voting_power(account), await self.governor.threshold()
        if votes < needed:
            hint = "`gov delegate` turns its OPEN into votes" if balance >= needed else "it needs more OPEN"
            raise InvalidChange(f"{account} has {votes} of the {needed} votes that a proposal needs: {hint}")

    async def _send(self, key: PrivateKey, call: Call) -> Document:
        (mined,) = await send_calls(self.client, key, [call], max_fee_cap=self.max_fee_cap)
        return {"transaction": "0x" + mined.transaction_hash.hex()}

    async def _differences(self, changes: Sequence[Change]) -> list[Document]:
        return [await self._difference(change) for change in changes]

    async def _difference(self, change: Change) -> Document:
        parameter = change.parameter
        document: Document = {"text": change.text, "known": parameter is not None}
        if parameter is None:
            return document
        document |= {"now": await self.governor.present(parameter), "rule": parameter.rule}
        if parameter.name == "treasury-ppm":
            document["effect"] = _treasury_effect(self.last_items(), int(change.arguments[0]))
        if parameter.name == "window":
            present = int(await self.governor.value(parameter))
            document["pace"] = _window_effect(self.last_items(), present, int(change.arguments[0]))
        return document


def _treasury_effect(items: Sequence[Item], ppm: int) -> Document:
    effect = effect_of_treasury_ppm(items, ppm)
    return {
        "receipts": effect.receipts,
        "before": {role: str(amount) for role, amount in effect.before.items()},
        "after": {role: str(amount) for role, amount in effect.after.items()},
    }


def _window_effect(items: Sequence[Item], present_s: int, proposed_s: int) -> Document:
    effect = effect_of_window(items, present_s, proposed_s)
    return {
        "receipts": effect.receipts,
        "before": {"seconds": effect.window_before, "waiting": str(effect.waiting_before)},
        "after": {"seconds": effect.window_after, "waiting": str(effect.waiting_after)},
    }


def _proposal_json(proposal: Proposal) -> Document:
    votes = proposal.votes
    return {
        "id": str(proposal.id),
        "state": proposal.state.name.lower(),
        "why": proposal.why,
        "changes": [change.text for change in proposal.changes],
        "for": str(votes.for_),
        "against": str(votes.against),
        "abstain": str(votes.abstain),
        "quorum": str(votes.quorum),
        "votesFrom": proposal.votes_from,
        "votesUntil": proposal.votes_until,
        "readyAt": proposal.ready_at or None,
    }
