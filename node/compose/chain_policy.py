"""What the settings say about a chain: how far it is trusted, and what its gas may cost."""

from node.chain.finality import finality_of
from node.config import Settings
from node.settlement.outbox import OutboxPolicy
from node.settlement.settlement import SettlementPolicy


def settlement_policy(settings: Settings, chain_id: int) -> SettlementPolicy:
    """The policy for a chain. Events and transactions need the same number of confirmations."""
    finality = finality_of(chain_id, settings.confirmations)
    sending = OutboxPolicy(confirmations=finality.confirmations, lag_s=finality.lag_s, max_fee_cap=settings.max_fee_cap)
    return SettlementPolicy(finality=finality, outbox=sending)
