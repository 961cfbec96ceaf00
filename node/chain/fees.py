"""Gas limits and fees of transactions."""

from typing import NamedTuple

from node.chain.client import ChainClient


class Fees(NamedTuple):
    """Wei per gas."""

    max_fee: int
    tip: int


async def current_fees(client: ChainClient) -> Fees:
    """Fees that allow the base fee to double, with a tip that is accepted soon."""
    tip, head = await client.tip_fee(), await client.head()
    return Fees(2 * head.base_fee + tip, tip)


def gas_limit(estimate: int) -> int:
    """An estimate plus a quarter: what a call needs can grow before it is mined."""
    return estimate * 5 // 4
