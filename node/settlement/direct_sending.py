"""Sends a few transactions of a key that no outbox manages, such as a contributor's claims."""

import asyncio
from collections.abc import Sequence

from node.chain.client import Call, ChainClient, Inclusion
from node.chain.fees import DEFAULT_CAP, current_fees, gas_limit
from node.chain.transactions import Transaction, TransactionSigner, sign_transaction
from node.settlement.errors import SenderUnfunded, TransactionFailed, TransactionPending

POLL_S = 0.1


async def send_calls(
    client: ChainClient,
    signer: TransactionSigner,
    calls: Sequence[Call],
    timeout_s: float = 60,
    *,
    max_fee_cap: int = DEFAULT_CAP,
) -> list[Inclusion]:
    """Simulates, signs and sends the calls in order, each after the call before it is mined.

    max_fee_cap: the most that is paid, in wei per gas. Raises ChainError, SenderUnfunded, TransactionFailed if a
    transaction reverts, TransactionPending after `timeout_s`.
    """
    return [await _send(client, signer, call, timeout_s, max_fee_cap) for call in calls]


async def _send(
    client: ChainClient, signer: TransactionSigner, call: Call, timeout_s: float, max_fee_cap: int
) -> Inclusion:
    fees = await current_fees(client, max_fee_cap)
    held = await client.funds(signer.address)
    if held < call.value:  # endpoints refuse to simulate it, each with other words
        raise SenderUnfunded(signer.address, held, call.value)
    gas = gas_limit(await client.estimate_gas(call, signer.address))
    if held < call.value + gas * fees.max_fee:
        raise SenderUnfunded(signer.address, held, call.value + gas * fees.max_fee)
    nonce = await client.nonce(signer.address)
    transaction = Transaction(client.chain_id, nonce, call.to, call.data, gas, fees.max_fee, fees.tip, call.value)
    signed = sign_transaction(transaction, signer)
    await client.send_raw(signed.raw)
    deadline = asyncio.get_running_loop().time() + timeout_s
    while (found := await client.inclusion(signed.hash)) is None:
        if asyncio.get_running_loop().time() > deadline:
            raise TransactionPending("the transaction", signed.hash, None)
        await asyncio.sleep(POLL_S)
    if not found.succeeded:
        raise TransactionFailed("the transaction", f"0x{signed.hash.hex()} reverted when it was mined")
    return found
