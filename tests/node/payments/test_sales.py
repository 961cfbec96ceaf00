"""While a cause lasts, nothing is sold, and everybody learns why."""

import pytest

from node.payments.sales import Sales
from serving.errors import NotReady


async def test_a_node_without_a_cause_sells() -> None:
    sales = Sales()

    sales.require()

    assert (await sales.check()).ok


async def test_a_hold_ends_by_itself_and_a_stop_does_not() -> None:
    sales = Sales()
    sales.hold("gas", "fund the key")
    sales.stop("ledger", "two nodes share one key")
    sales.allow("gas")
    sales.allow("ledger")

    with pytest.raises(NotReady, match="two nodes share one key"):
        sales.require()


async def test_only_a_stop_ends_signing() -> None:
    sales = Sales()

    sales.hold("chain", "it does not answer")
    assert (sales.problem, sales.stopped) == ("it does not answer", None)

    sales.stop("ledger", "conflict")
    assert sales.stopped == "conflict"


async def test_readiness_lists_every_reason() -> None:
    unsafe: list[str] = []
    sales = Sales(lambda: unsafe[0] if unsafe else None)
    sales.hold("gas", "fund the key.")
    unsafe.append("the file was replaced.")

    check = await sales.check()

    assert not check.ok
    assert "fund the key." in check.reason
    assert "the file was replaced." in check.reason
    assert sales.stopped == "the file was replaced."


def test_a_cause_is_reported_once_per_reason() -> None:
    sales = Sales()

    assert [sales.hold("x", "a"), sales.hold("x", "a"), sales.hold("x", "b")] == [True, False, True]
    assert [sales.allow("x"), sales.allow("x")] == [True, False]
    assert [sales.stop("x", "a"), sales.stop("x", "b")] == [True, False]
