"""Withdrawing unspent tokens from a channel. The payer sends both transactions; the node's consent is not needed."""

import asyncio
import time

import httpx2

from contracts.x402 import ChannelConfig
from node.chain.contracts import EscrowContract
from node.cli.chain_connection import connect
from node.cli.context import Context
from node.cli.failures import FundsFailure
from node.cli.moments import moment
from node.cli.money import amount
from node.cli.signers import signer
from node.cli.wallet import channel_with
from node.settlement.direct_sending import send_calls

Step = dict[str, str]


def advance(context: Context, account: str | None, node: str | None, wanted: int | None) -> Step:
    """Takes the next step of a withdrawal. `wanted`: base units, None for all unspent.

    state: started (the delay runs), waiting (it still runs) or paid.
    """
    with httpx2.Client(timeout=60) as client:
        channel = channel_with(context, client, account, node)
    return asyncio.run(_advance(context, account, channel.config, wanted))


async def _advance(context: Context, account: str | None, config: ChannelConfig, wanted: int | None) -> Step:
    client, _ = await connect(context)
    settings = context.settings(account=account)
    key, cap = signer(context, settings.account), settings.max_fee_cap
    escrow = EscrowContract(client)
    view, _ = await escrow.channel(config.channel_id(client.chain_id))
    if view.pending_withdraw:
        ready_at = view.withdraw_initiated_at + config.withdraw_delay
        if (await client.head()).timestamp < ready_at and time.time() < ready_at:
            return _step("waiting", view.pending_withdraw, f"is being withdrawn: call again after {moment(ready_at)}")
        await send_calls(
            client, key, [escrow.contract.to_call("finalizeWithdraw", config.abi_tuple())], max_fee_cap=cap
        )
        after, _ = await escrow.channel(config.channel_id(client.chain_id))
        return _step("paid", view.balance - after.balance, f"was paid to {config.payer}")
    left = view.balance - view.total_claimed
    taking = left if wanted is None else wanted
    if not 0 < taking <= left:
        raise FundsFailure(
            f"The channel holds {amount(left)} unspent.", "withdraw an amount above 0 and no more than that"
        )
    starting = escrow.contract.to_call("initiateWithdraw", config.abi_tuple(), taking)
    await send_calls(client, key, [starting], max_fee_cap=cap)
    ready_at = int(time.time()) + config.withdraw_delay
    return _step("started", taking, f"is being withdrawn: call again after {moment(ready_at)}")


def _step(state: str, taken: int, what: str) -> Step:
    return {"state": state, "amount": str(taken), "message": f"{amount(taken)} {what}"}
