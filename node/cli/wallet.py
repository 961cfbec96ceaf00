"""The paying client of the command line: its key, the folder of its channels, and the size of a deposit."""

import time
from typing import TYPE_CHECKING

from node.cli.context import Context
from node.cli.money import UNIT
from node.cli.remote import public_url, reachable
from node.cli.signers import signer

if TYPE_CHECKING:
    import httpx2

    from node.client.auth import WalletAuth
    from node.client.channel import Channel

FOLDER = "wallet"
DEPOSIT = UNIT
"""How much a channel is topped up with when it cannot pay a request: 1 OPEN, in base units."""


def wallet(context: Context, account: str | None, max_cost: int | None = None) -> "WalletAuth":
    """The HTTP authentication that signs and pays for `account`, or for the account of the settings."""
    from node.client.auth import WalletAuth

    settings = context.settings(account=account)
    return WalletAuth(signer(context, settings.account), settings.home / FOLDER, deposit=DEPOSIT, max_cost=max_cost)


def channel_with(context: Context, client: "httpx2.Client", account: str | None, node: str | None) -> "Channel":
    """The channel between an account and a node, even if nothing is deposited yet."""
    from node.client.account_file import AccountFile
    from node.client.channel import Channel
    from node.client.flows import fetch_card, run

    settings = context.settings(account=account)
    url, key = public_url(context, node), signer(context, settings.account)
    with reachable(url):
        card = run(client, fetch_card(url))
    file = AccountFile(settings.home / FOLDER, card.chain_id, key.address, card.vault)
    return Channel(url, card, key, file, time.time)
