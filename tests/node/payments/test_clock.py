"""One wrong time must not date a ledger: receipts, and the fees of all later ones, depend on it."""

import pytest

from contracts.fees import usage_fee
from node.payments.clock import DEV_CHAIN_TOLERANCE_S, ClockTolerance
from serving.errors import NotReady
from tests.node.payments.payer import NOW, Payer
from tests.node.payments.shop import PRICES, Shop, ended

YEAR = 365 * 86_400
FEE = usage_fee(PRICES, 10, 0, 10)


@pytest.mark.parametrize(("wall", "head"), [(NOW, NOW), (NOW, NOW - 600), (NOW, NOW + 600), (NOW + 30, NOW)])
def test_the_later_of_two_that_agree_is_the_time(wall: int, head: int) -> None:
    assert ClockTolerance().time(wall, head) == max(wall, head)
    assert ClockTolerance().problem(wall, head) is None


@pytest.mark.parametrize("head", [0, NOW - 601, NOW + 601, NOW + 10 * YEAR, 2**63, 2**256 - 1])
def test_two_that_disagree_give_no_time_but_what_to_do(head: int) -> None:
    tolerance = ClockTolerance()

    assert tolerance.time(NOW, head) is None
    assert "Set the clock" in (tolerance.problem(NOW, head) or "")


def test_a_development_chain_may_rest_and_be_moved_but_not_by_years() -> None:
    tolerance = ClockTolerance(DEV_CHAIN_TOLERANCE_S)

    assert tolerance.time(NOW + 86_400, NOW) == tolerance.time(NOW, NOW + 86_400) == NOW + 86_400
    assert tolerance.time(NOW, NOW + YEAR) is None


@pytest.mark.parametrize("wrong", ["head", "wall"])
async def test_a_time_years_ahead_sells_nothing_and_dates_nothing(shop: Shop, payer: Payer, wrong: str) -> None:
    await shop.funded(payer, 100 * FEE)
    running = await shop.admit(shop.ask(payer, max_fee=FEE, signed_max=50 * FEE), "running")
    waiting = shop.ask(payer, max_fee=FEE)
    wall = NOW + 3 * YEAR if wrong == "wall" else NOW + 5
    shop.registrations.now = NOW + 10 * YEAR if wrong == "head" else NOW

    with pytest.raises(NotReady, match="clock_tolerance_s"):
        await shop.admit(waiting, "refused", now=wall)
    billed = await shop.metering.record(running, ended(), prompt=b"", output=b"", now=wall)
    shop.registrations.now = NOW + 20
    later = await shop.admit(waiting, "later", now=NOW + 20)
    after = await shop.metering.record(later, ended(), prompt=b"", output=b"", now=NOW + 21)

    assert (billed.receipt.fee, billed.receipt.finished_at) == (FEE, NOW)
    assert (after.receipt.fee, after.receipt.finished_at) == (FEE, NOW + 21)
    assert (await shop.channel(payer)).reserved == 0
