"""Decides whether the value of a settlement cycle exceeds the cost of its gas."""

from dataclasses import dataclass

POST_GAS = 107_000
SWEEP_GAS = 107_000
CLAIM_GAS = 42_000
CLAIM_GAS_PER_CHANNEL = 22_000
"""Gas of the steps of a cycle after the first one. Source: contracts/test/snapshots/gas.json; a test compares them."""


def cycle_gas(channels: int) -> int:
    """The gas of one cycle that posts a batch, claims this many channels, and sweeps."""
    return POST_GAS + SWEEP_GAS + CLAIM_GAS + CLAIM_GAS_PER_CHANNEL * channels


@dataclass(frozen=True, slots=True)
class ProfitGate:
    """tokens_per_coin: token base units that one wei is worth. max_age_s: older receipts settle at any cost."""

    tokens_per_coin: int = 1
    max_age_s: int = 3_600

    def cost(self, channels: int, gas_price: int) -> int:
        """The cost of a cycle that claims this many channels, in token base units. gas_price: wei per gas."""
        return cycle_gas(channels) * gas_price * self.tokens_per_coin


@dataclass(frozen=True, slots=True)
class PendingValue:
    """What a cycle would settle. value: base units that are receipted and not claimed; channels: that owe them.

    oldest_at: when the oldest receipt finished, in unix seconds, 0 for none. leaving: the payer of a channel that owes
    has begun to withdraw.
    """

    value: int
    channels: int
    oldest_at: int
    leaving: bool


def reason_to_wait(gate: ProfitGate, pending: PendingValue, gas_price: int, now: int) -> str | None:
    """None if the cycle should run, else the reason to wait. gas_price: wei per gas; now: unix seconds."""
    if pending.value == 0:
        return "nothing to settle"
    if pending.leaving or (pending.oldest_at and now - pending.oldest_at >= gate.max_age_s):
        return None
    cost = gate.cost(pending.channels, gas_price)
    return None if pending.value > cost else f"the value of {pending.value} does not exceed gas worth {cost}"
