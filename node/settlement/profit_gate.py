"""Whether settling now is worth its gas."""

from dataclasses import dataclass

POST_GAS = 130_000
SWEEP_GAS = 80_000
CLAIM_GAS = 45_000
CLAIM_GAS_PER_CHANNEL = 20_000


@dataclass(frozen=True, slots=True)
class ProfitGate:
    """tokens_per_coin: how many token base units one wei is worth. max_age_s: the oldest receipt waits no longer."""

    tokens_per_coin: int = 1
    max_age_s: int = 3_600

    def cost(self, channels: int, gas_price: int) -> int:
        """What one cycle over this many channels costs, in token base units; `gas_price` in wei per gas."""
        gas = POST_GAS + SWEEP_GAS + CLAIM_GAS + CLAIM_GAS_PER_CHANNEL * channels
        return gas * gas_price * self.tokens_per_coin


@dataclass(frozen=True, slots=True)
class Stakes:
    """What a cycle would move: value receipted and not yet claimed, from how many channels, waiting since when.

    leaving: a payer has begun to withdraw from a channel that still owes.
    """

    value: int
    channels: int
    oldest_at: int
    leaving: bool


def reason_to_wait(gate: ProfitGate, stakes: Stakes, gas_price: int, now: int) -> str | None:
    """None if the cycle should run; otherwise why it is better to wait."""
    if stakes.value == 0:
        return "nothing to settle"
    if stakes.leaving or (stakes.oldest_at and now - stakes.oldest_at >= gate.max_age_s):
        return None
    cost = gate.cost(stakes.channels, gas_price)
    return None if stakes.value > cost else f"the value of {stakes.value} does not exceed gas worth {cost}"
