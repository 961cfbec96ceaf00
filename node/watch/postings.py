"""What the chain holds of a header and of the demands on it now."""

from dataclasses import dataclass

from contracts.crypto import Address, Bytes32, to_address
from contracts.encoding import header_commitment
from contracts.structs import BatchHeader
from node.chain.client import Call
from node.chain.contracts import Contract
from node.watch.challenges import Challenge, Item
from node.watch.registries import Registries

ANSWER_PERIOD_S = 86_400
"""How long an answer has: `ANSWER_PERIOD` of the contract."""


@dataclass(frozen=True, slots=True)
class DemandState:
    """author: None once it is answered. opened_at: unix seconds, 0 if it was never made. bond: wei."""

    author: Address | None
    opened_at: int
    bond: int

    @property
    def is_answered(self) -> bool:
        """Whether somebody answered it."""
        return self.opened_at != 0 and self.author is None

    @property
    def deadline(self) -> int:
        """When the header can die of it, in unix seconds."""
        return self.opened_at + ANSWER_PERIOD_S


class ChallengesContract:
    """The Challenges contract, and what Settlement says about headers that can be challenged."""

    def __init__(self, registries: Registries) -> None:
        client, deployment = registries.client, registries.deployment
        self._challenges = Contract(client, "Challenges", deployment.challenges)
        self._settlement = Contract(client, "Settlement", deployment.settlement)
        self._nodes = Contract(client, "NodeRegistry", deployment.node_registry)

    async def active_from(self, header: BatchHeader) -> int | None:
        """When the window of a header ends, in unix seconds; None if it is not posted, or dead."""
        held, _, active_from, _ = await self._settlement.read("header", header.node, header.epoch)
        mine = header_commitment(header.struct_hash(), header.state_root)
        return int(active_from) if held == mine else None

    async def is_undecided(self, header: BatchHeader) -> bool:
        """Whether a posted header can still die."""
        return bool((await self._settlement.read("isOpen", header.node, header.epoch))[0])

    async def bond_of(self, item: Item, node: Address, epoch: int) -> int:
        """The bond of a demand at the base fee of the newest block, in wei."""
        return int((await self._challenges.read("bondOf", item.kind, node, epoch))[0])

    async def demand_of(self, node: Address, epoch: int, item: Item) -> DemandState:
        """A demand on the header that is posted for an epoch now."""
        author, opened_at, bond = await self._challenges.read("demandOf", node, epoch, item.kind, item.id)
        nobody = int(str(author), 16) == 0
        return DemandState(None if nobody else to_address(author), int(opened_at), int(bond))

    async def returned_to(self, author: Address) -> int:
        """The bonds that an account can withdraw, in wei."""
        return int((await self._challenges.read("returnedTo", author))[0])

    async def reward_of(self, node: Address, account: Address) -> tuple[Address, int]:
        """The token of a node, and the rewards in it that an account can withdraw, in base units."""
        token = to_address((await self._nodes.read("tokenOf", node))[0])
        return token, int((await self._nodes.read("rewardOf", token, account))[0])

    async def slashed_of(self, node: Address) -> int:
        """What was slashed of a node and is not paid to its payees or burned yet, in base units."""
        return int((await self._nodes.read("slashedOf", node))[0])

    def challenge(self, challenge: Challenge, bond: int = 0) -> Call:
        """A demand with its bond, or a proof."""
        return self._challenges.to_call(challenge.function, *challenge.arguments, value=bond)

    def expire(self, node: Address, epoch: int, item: Item) -> Call:
        """Ends a header on which a demand was not answered in time."""
        return self._challenges.to_call("expire", node, epoch, item.kind, item.id)

    def reclaim(self, node: Address, epoch: int, item: Item, commitment: Bytes32, active_from: int) -> Call:
        """Returns the bond of a demand on a header that died of something else."""
        return self._challenges.to_call("reclaim", node, epoch, commitment, active_from, item.kind, item.id)

    def withdraw(self, to: Address) -> Call:
        """Pays out the returned bonds of the sender."""
        return self._challenges.to_call("withdraw", to)

    def withdraw_reward(self, token: Address, to: Address) -> Call:
        """Pays out the sender's rewards in a token."""
        return self._nodes.to_call("withdrawReward", token, to)

    def settle_slash(self, node: Address) -> Call:
        """Pays what was slashed of a node to the credit of its payees, and burns the rest."""
        return self._settlement.to_call("settleSlash", node)
