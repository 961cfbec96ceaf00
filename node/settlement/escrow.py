"""Implements the `Escrow` of node.payments: reads balances from the chain and sends deposits through the outbox."""

from contracts.crypto import Bytes32
from contracts.x402 import ChannelConfig
from node.chain.client import ChainClient
from node.chain.contracts import EscrowContract
from node.payments.errors import DepositFailed, SettlementUnknown
from node.payments.registrations import EscrowBalance
from node.settlement.errors import TransactionFailed, TransactionPending
from node.settlement.outbox import Outbox

MINING_TIMEOUT_S = 60.0


class ChainEscrow:
    """The escrow on a chain. Deposits use the operator's outbox, because all its transactions share a nonce."""

    def __init__(self, client: ChainClient, outbox: Outbox, mining_timeout_s: float = MINING_TIMEOUT_S) -> None:
        self._client, self._outbox, self._timeout_s = client, outbox, mining_timeout_s
        self._contract = EscrowContract(client)

    async def balance(self, channel_id: Bytes32) -> EscrowBalance:
        """A channel's balance in the escrow and the block it was read at."""
        view, number = await self._contract.channel(channel_id)
        return EscrowBalance(view.balance, view.total_claimed, view.pending_withdraw, number)

    async def relay_deposit(
        self, config: ChannelConfig, amount: int, collector_data: bytes, authorization_nonce: Bytes32
    ) -> str:
        """Sends a payer's signed ERC-3009 deposit and returns the transaction hash.

        Raises DepositFailed if nothing was deposited, SettlementUnknown if that is not known yet.
        """
        call = self._contract.deposit(config, amount, collector_data)
        intent = f"deposit:0x{authorization_nonce.hex()}"
        try:
            sent = await self._outbox.send(intent, call, self._timeout_s)
        except TransactionFailed as error:
            raise DepositFailed(error.reason) from error
        except TransactionPending as error:
            if error.transaction_hash is None and await self._outbox.cancel(intent):
                raise DepositFailed(error.note or "the chain accepts no transactions now") from error
            transaction = "0x" + (error.transaction_hash or b"").hex()
            raise SettlementUnknown(config.channel_id(self._client.chain_id), transaction) from error
        assert sent.hash is not None
        return "0x" + sent.hash.hex()
