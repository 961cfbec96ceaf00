"""Sends a watcher's transactions one after the other, and says which refusals the next look may overcome."""

from dataclasses import dataclass

from contracts.crypto import Address
from node.chain.client import Call, ChainClient, Inclusion
from node.chain.errors import CallRefused, GasTooDear, TransactionRefused
from node.chain.fees import DEFAULT_CAP, gas_price
from node.chain.transactions import TransactionSigner
from node.settlement.direct_sending import send_calls
from node.settlement.errors import SettlementError

LATER = (SettlementError, TransactionRefused, GasTooDear, CallRefused)
"""The transaction was not sent or is not mined. A later attempt has the same nonce, so it cannot be mined twice."""


@dataclass(frozen=True, slots=True)
class Sender:
    """An account that pays for challenges. max_fee_cap: wei per gas. timeout_s: how long a transaction is awaited."""

    client: ChainClient
    signer: TransactionSigner
    max_fee_cap: int = DEFAULT_CAP
    timeout_s: float = 60

    @property
    def address(self) -> Address:
        """The account."""
        return self.signer.address

    async def send(self, call: Call) -> Inclusion:
        """Simulates, sends and awaits a call. Raises CallReverted if it would revert, one of LATER, or ChainError."""
        (mined,) = await send_calls(self.client, self.signer, [call], self.timeout_s, max_fee_cap=self.max_fee_cap)
        return mined

    async def bond_with_headroom(self, bond: int) -> int:
        """The value that covers a bond if the base fee doubles until it is mined; the excess comes back.

        An account that holds less gives what covers the next block's base fee, which is at most an eighth higher.
        """
        held = await self.client.funds(self.address)
        return 2 * bond if held >= 3 * bond else bond * 9 // 8

    async def is_worth(self, amount: int, gas: int) -> bool:
        """Whether `amount` wei exceed what `gas` costs now. Raises ChainError."""
        return amount > gas * (await gas_price(self.client, self.max_fee_cap)).total
