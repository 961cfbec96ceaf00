"""Steps that tests of settlement on a real chain share."""

from contracts.crypto import Address
from contracts.x402 import ESCROW
from local_chain.accounts import dev_accounts
from local_chain.transactor import Transactor, contract
from tests.node.settlement.market import Market


def settlement_of(market: Market) -> Address:
    return market.town.chain.deployment.settlement


async def settle(market: Market) -> None:
    await market.settlement.cycle.run(market.now, force=True)
    market.town.pass_time(6)
    report = await market.settlement.cycle.run(market.now, force=True)
    assert report.active_epoch == report.last_epoch


async def withdraw(market: Market, function: str, *args: object) -> None:
    """The payer acts on the escrow with its own key."""
    web3 = market.town.web3
    wallet = market.payer.wallet
    if await market.client.funds(wallet.address) == 0:
        Transactor(web3, dev_accounts()[2]).pay(wallet.address, 10**18)
    Transactor(web3, wallet).call(contract(web3, "ChannelEscrow", ESCROW), function, *args)
