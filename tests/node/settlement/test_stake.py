"""A node whose stake does not cover its unclaimed fees."""

from pathlib import Path

from node.settlement.stake import MissingStake, missing_stake
from tests.node.settlement.market import Town, bond, fund, new_stall, open_market

OPERATOR = "0x" + "2a" * 20


def test_the_missing_stake_says_what_to_do() -> None:
    missing = missing_stake(f"StakeTooLow({OPERATOR}, 5, 12)")

    assert missing == MissingStake(bonded=5, required=12)
    assert "bond 7 more" in str(missing)


def test_other_refusals_are_no_missing_stake() -> None:
    for reason in ("NotOperator(0x1, 0x2, 0x3)", "StakeTooLow()", f"StakeTooLow({OPERATOR}, 5, 12) and more", ""):
        assert missing_stake(reason) is None


async def test_a_cycle_waits_for_stake_and_goes_on_once_it_is_bonded(town: Town, tmp_path: Path) -> None:
    stall = new_stall(town, stake=1)
    async with open_market(town, tmp_path, stall) as market:
        await fund(market)
        await market.serve("dermatology")

        waiting = await market.settlement.cycle.run(market.now, force=True)
        again = await market.settlement.cycle.run(market.now, force=True)
        bond(town, stall.addresses.node, 10**20)
        settled = await market.settlement.cycle.run(market.now, force=True)

    assert waiting.posted == again.posted == ()
    assert "does not cover the unclaimed fees" in str(waiting.waits)
    assert settled.waits is None
    assert settled.last_epoch == 1
    assert settled.posted[0][2] == settled.swept
