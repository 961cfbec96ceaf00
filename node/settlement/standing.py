"""Whether the contracts will accept this node's batches: its operator key, its stake, its prices."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.crypto import Address, to_address
from node.chain.contracts import Contract, read_many


@dataclass(frozen=True, slots=True)
class Standing:
    """What the contracts have for a node now. Amounts in base units of the vault's token.

    stake_ratio_ppm: the part of all unclaimed money that must be bonded. died_at: when a header of the vault died or
    the owner closed it, in unix seconds; 0 while it lives.
    """

    owner: Address
    operator: Address
    bonded: int
    claimed: int
    stake_ratio_ppm: int
    died_at: int

    def stake_needed(self, cum_total: int) -> int:
        """The stake without which a header with this total is refused."""
        return -(-self.stake_ratio_ppm * max(0, cum_total - self.claimed) // 1_000_000)


def obstacles(standing: Standing, signer: Address, cum_total: int, *, has_prices: bool) -> Mapping[str, str]:
    """Cause → what the operator can do, for each thing that makes posting or selling impossible.

    cum_total: the sum of all fees that were receipted.
    """
    found: dict[str, str] = {}
    if standing.operator != signer:
        found["operator"] = (
            f"the operator key of this vault is {standing.operator} now, and this node signs with {signer}: start it "
            "with the new key (`operator_account`)."
        )
    if standing.died_at:
        found["closed"] = (
            "this vault was closed, or one of its batches died: it posts what was sold before and sells no more. "
            "Register another vault, and serve it with `vault` and a database of its own."
        )
    if (needed := standing.stake_needed(cum_total)) > standing.bonded:
        found["stake"] = (
            f"the bonded stake of {standing.bonded} is below the {needed} that posting needs: stake "
            f"{needed - standing.bonded} more, or claim for payees."
        )
    if not has_prices:
        found["prices"] = "no price list of this node is in force: register one (NodeRegistry.registerPriceList)."
    return found


async def read_standing(node: Address, registry: Contract, settlement: Contract) -> Standing:
    """The standing at the newest block, in one call of the chain."""
    calls: list[tuple[Contract, str, tuple[object, ...]]] = [
        (registry, "ownerOf", (node,)),
        (registry, "operatorOf", (node,)),
        (registry, "stakeOf", (node,)),
        (settlement, "claimedTotal", (node,)),
        (settlement, "stakeRatioPpm", ()),
        (settlement, "diedAt", (node,)),
    ]
    (owner,), (operator,), (bonded, *_), (claimed,), (ratio,), (died_at,) = await read_many(settlement.client, calls)
    return Standing(to_address(owner), to_address(operator), bonded, claimed, ratio, died_at)
