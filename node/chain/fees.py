"""Gas limits and fees of transactions."""

from typing import NamedTuple

from node.chain.client import ChainClient
from node.chain.errors import GasTooDear

GWEI = 10**9
DEFAULT_CAP = 500 * GWEI
"""The highest price that is paid unless the operator sets another, in wei per gas."""


class Fees(NamedTuple):
    """Wei per gas."""

    max_fee: int
    tip: int


class GasPrice(NamedTuple):
    """What a transaction pays now if it pays no more than it must, in wei per gas."""

    base_fee: int
    tip: int

    @property
    def total(self) -> int:
        """Base fee and tip."""
        return self.base_fee + self.tip


def capped(price: GasPrice, cap: int) -> GasPrice:
    """The price with a tip that keeps the total within `cap`, in wei per gas. Raises GasTooDear if none does.

    The tip is the endpoint's advice, which may be wrong; the base fee is the chain's own.
    """
    if price.base_fee >= cap:
        raise GasTooDear(price.base_fee, cap)
    return GasPrice(price.base_fee, min(price.tip, cap - price.base_fee))


async def gas_price(client: ChainClient, cap: int = DEFAULT_CAP) -> GasPrice:
    """The present base fee and a tip that is accepted soon, together at most `cap`. Raises GasTooDear."""
    tip, head = await client.tip_fee(), await client.head()
    return capped(GasPrice(head.base_fee, tip), cap)


async def current_fees(client: ChainClient, cap: int = DEFAULT_CAP) -> Fees:
    """Fees that allow the base fee to double, within `cap`, with a tip that is accepted soon. Raises GasTooDear."""
    price = await gas_price(client, cap)
    return Fees(min(2 * price.base_fee + price.tip, cap), price.tip)


def gas_limit(estimate: int) -> int:
    """An estimate plus a quarter: what a call needs can grow before it is mined."""
    return estimate * 5 // 4
