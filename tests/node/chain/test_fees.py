"""Gas limits and fees."""

from node.chain.fees import current_fees, gas_limit
from node.chain.memory import BASE_FEE, MemoryChain


async def test_the_base_fee_may_double() -> None:
    chain = MemoryChain()

    fees = await current_fees(chain)

    assert fees.max_fee == 2 * BASE_FEE + fees.tip
    assert fees.tip == await chain.tip_fee()


def test_the_limit_is_a_quarter_above_the_estimate() -> None:
    assert [gas_limit(estimate) for estimate in (0, 1, 4, 21_000)] == [0, 1, 5, 26_250]
