"""How far the newest blocks of a chain are trusted."""

from dataclasses import dataclass

from local_chain.genesis import CHAIN_ID

DEV_CHAIN_ID = CHAIN_ID
DEFAULT_CONFIRMATIONS = 6
_CONFIRMATIONS = {
    DEV_CHAIN_ID: 0,  # one endpoint that mines for itself
    1: 12,  # Ethereum: about 2.5 minutes
    11155111: 12,  # Sepolia
    10: 15,  # OP Stack chains have a block every 2 s, and one sequencer
    8453: 15,  # Base
    84532: 15,  # Base Sepolia
    42161: 60,  # Arbitrum One has four blocks a second, and one sequencer
    137: 64,  # Polygon reorganises deeper than the others
    56: 15,  # BNB Smart Chain
    43114: 1,  # Avalanche C-Chain: accepted blocks are final
}


@dataclass(frozen=True, slots=True)
class Finality:
    """confirmations: blocks above an event or transaction before the node relies on it.

    lag_s: how long an answer that contradicts earlier ones may come from an endpoint that lags behind; only then does
    the node act on it. max_ahead_s: how far a block's time may exceed this machine's clock; None: any, as on the dev
    chain, whose time is set by hand.
    """

    confirmations: int = 0
    lag_s: int = 0
    max_ahead_s: int | None = None


def finality_of(chain_id: int, confirmations: int | None = None) -> Finality:
    """The finality of a chain. confirmations: the operator's choice; None takes the chain's default.

    The dev chain has one endpoint and its time is set by hand, so no answer is doubted there.
    """
    default = _CONFIRMATIONS.get(chain_id, DEFAULT_CONFIRMATIONS)
    chosen = default if confirmations is None else confirmations
    if chain_id == DEV_CHAIN_ID:
        return Finality(chosen)
    return Finality(chosen, lag_s=30, max_ahead_s=60)
