"""Implements the `Escrow` of node.payments: reads balances from the chain and sends deposits through the outbox."""

from contracts.crypto import Bytes32
from contracts.x402 import ChannelConfig
from node.chain.client import ChainClient
from node.chain.contracts import EscrowContract
from node.chain.errors import CallRefused, CallReverted, GasTooDear
from node.chain.fees import gas_price
from node.payments.errors import ChannelRefused, DepositFailed, GasTooHigh, SettlementUnknown
from node.payments.registrations import EscrowBalance
from node.settlement.errors import TransactionFailed, TransactionPending
from node.settlement.outbox import Outbox
from node.settlement.profit_gate import ProfitGate
from node.store.outbox import State

MINING_TIMEOUT_S = 60.0


class ChainEscrow:
    """The escrow on a chain. Deposits use the operator's outbox, because all its transactions share a nonce."""

    def __init__(
        self,
        client: ChainClient,
        outbox: Outbox,
        mining_timeout_s: float = MINING_TIMEOUT_S,
        gate: ProfitGate | None = None,
    ) -> None:
        """gate: what the chain's coin is worth in the token."""
        self._client, self._outbox, self._timeout_s = client, outbox, mining_timeout_s
        self._gate = gate or ProfitGate()
        self._contract = EscrowContract(client)

    async def balance(self, channel_id: Bytes32) -> EscrowBalance:
        """A channel's balance in the escrow and the block it was read at."""
        view, number = await self._contract.channel(channel_id)
        return EscrowBalance(view.balance, view.total_claimed, view.pending_withdraw, number)

    async def check_deposit(
        self, config: ChannelConfig, amount: int, collector_data: bytes, authorization_nonce: Bytes32
    ) -> None:
        """Simulates a deposit, unless it was sent before, and compares it with the gas that it costs.

        Raises DepositFailed if the chain would refuse it, GasTooHigh above the outbox's cap, or ChannelRefused if it is
        worth less than its gas.
        """
        known = await self._outbox.find(_intent(authorization_nonce))
        if known is not None and known.state is not State.FAILED:
            return
        call, cap = self._contract.deposit(config, amount, collector_data), self._outbox.max_fee_cap
        try:
            gas = await self._client.estimate_gas(call, self._outbox.sender)
            price = await gas_price(self._client, cap)
        except (CallReverted, CallRefused) as error:
            raise DepositFailed(error.reason) from error
        except GasTooDear as error:
            raise GasTooHigh(error.price, cap) from error
        cost = gas * price.total * self._gate.tokens_per_coin
        if amount < cost:
            problem = f"is {amount}; gas for it costs {cost} now, so the least that this node relays is {cost}"
            raise ChannelRefused("deposit.amount", f"{problem}. Deposit more, or into the escrow yourself")

    async def relay_deposit(
        self, config: ChannelConfig, amount: int, collector_data: bytes, authorization_nonce: Bytes32
    ) -> str:
        """Sends a payer's signed ERC-3009 deposit and returns the transaction hash.

        Raises DepositFailed if nothing was deposited, SettlementUnknown if that is not known yet.
        """
        call = self._contract.deposit(config, amount, collector_data)
        intent = _intent(authorization_nonce)
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


def _intent(authorization_nonce: Bytes32) -> str:
    """The outbox's name for a deposit: an authorization works once."""
    return f"deposit:0x{authorization_nonce.hex()}"
