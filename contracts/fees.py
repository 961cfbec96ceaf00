"""The fee of a request: one formula for the payer, the node and the auditor. See docs/protocol.md."""

from typing import Protocol

MILLION = 1_000_000
"""Prices are per million tokens, shares are parts per million (ppm)."""


class Prices(Protocol):
    """The four amounts that a fee depends on, in token base units. `PriceList` has them; so has a node's quote."""

    @property
    def prompt_per_m(self) -> int:
        """The price of a million prompt tokens that were not in the prefix cache."""
        ...

    @property
    def cached_per_m(self) -> int:
        """The price of a million prompt tokens that were in the prefix cache."""
        ...

    @property
    def output_per_m(self) -> int:
        """The price of a million output tokens."""
        ...

    @property
    def min_fee(self) -> int:
        """The least that a charged request costs."""
        ...


def usage_fee(prices: Prices, tokens_in: int, tokens_cached: int, tokens_out: int) -> int:
    """fee = max(minFee, ⌈(in·promptPerM + cached·cachedPerM + out·outputPerM) / 10^6⌉), in token base units.

    `tokens_in` excludes `tokens_cached`. The division rounds up once, for the whole request.
    """
    total = tokens_in * prices.prompt_per_m + tokens_cached * prices.cached_per_m + tokens_out * prices.output_per_m
    return max(prices.min_fee, -(-total // MILLION))


def highest_fee(prices: Prices, prompt_tokens: int, new_tokens: int) -> int:
    """The most that a request of at most `prompt_tokens` and `new_tokens` can cost, in token base units.

    The prompt is priced as if no token, or every token, were in the prefix cache, whichever is dearer.
    """
    cold = usage_fee(prices, prompt_tokens, 0, new_tokens)
    cached = usage_fee(prices, 0, prompt_tokens, new_tokens)
    return max(cold, cached)
