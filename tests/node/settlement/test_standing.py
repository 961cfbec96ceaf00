"""What the contracts demand of a node that sells, and what the operator is told if it is missing."""

import pytest

from contracts.crypto import Address
from local_chain.transactor import Transactor, contract
from node.settlement.standing import Standing, obstacles
from tests.node.payments.shop import address
from tests.node.settlement.market import Market

KEY, OTHER = address("operator"), address("other")


def standing(operator: Address = KEY, bonded: int = 0, claimed: int = 0, ratio: int = 0, died_at: int = 0) -> Standing:
    return Standing(OTHER, operator, bonded, claimed, ratio, died_at)


@pytest.mark.parametrize(
    ("found", "total", "needed"),
    [
        (standing(ratio=1_000_000, claimed=40), 100, 60),
        (standing(ratio=100_000, claimed=0), 101, 11),
        (standing(ratio=1_000_000, claimed=100), 100, 0),
        (standing(ratio=1_000_000, claimed=101), 100, 0),
        (standing(ratio=0), 100, 0),
    ],
)
def test_the_stake_covers_a_part_of_all_unclaimed_money_rounded_up(found: Standing, total: int, needed: int) -> None:
    assert found.stake_needed(total) == needed


def test_each_obstacle_says_what_to_do() -> None:
    said = obstacles(standing(operator=OTHER, bonded=10, ratio=1_000_000, died_at=5), KEY, 100, has_prices=False)

    assert set(said) == {"operator", "closed", "stake", "prices"}
    assert OTHER in said["operator"]
    assert KEY in said["operator"]
    assert "stake 90 more" in said["stake"]


def test_a_node_that_meets_all_conditions_has_no_obstacle() -> None:
    assert obstacles(standing(bonded=100, ratio=1_000_000), KEY, 100, has_prices=True) == {}


async def test_the_standing_follows_a_rotation(market: Market) -> None:
    before = await market.settlement.standing()
    nodes = contract(market.town.web3, "NodeRegistry", market.town.chain.deployment.node_registry)
    owner = Transactor(market.town.web3, market.operator)
    owner.call(nodes, "rotateOperator", market.payer.receiver.vault, OTHER)
    market.town.pass_time(2)

    after = await market.settlement.standing()

    assert (before.owner, before.operator) == (market.operator.address, market.operator.address)
    assert (after.owner, after.operator) == (market.operator.address, OTHER)
