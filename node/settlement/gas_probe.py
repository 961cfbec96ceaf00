"""Whether the operator can pay for the transactions of its node."""

import time

from contracts.crypto import Address
from node.chain.client import ChainClient
from node.chain.errors import ChainError
from node.readiness import Check

LOW_WEI = 10**16
"""Below this balance the reason asks the operator to fund the account."""
_FRESH_S = 30.0


class GasProbe:
    """Reads the operator's balance, at most every 30 seconds."""

    def __init__(self, client: ChainClient, operator: Address) -> None:
        self._client, self._operator = client, operator
        self._known = Check(True, "not read yet")
        self._looked_at = float("-inf")

    async def check(self) -> Check:
        """Ok while the balance is above zero; the reason warns of a low balance."""
        if time.monotonic() - self._looked_at >= _FRESH_S:
            self._known, self._looked_at = await self._look(), time.monotonic()
        return self._known

    async def _look(self) -> Check:
        try:
            wei = await self._client.funds(self._operator)
        except ChainError as error:
            return Check(False, str(error))
        if wei < LOW_WEI:
            return Check(wei > 0, f"the operator has {wei / 10**18:.6f} ETH left for gas; fund {self._operator}")
        return Check(True, f"the operator has {wei / 10**18:.3f} ETH for gas")
