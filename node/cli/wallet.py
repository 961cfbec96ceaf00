"""The paying client as the command line uses it: whose key, which folder remembers channels, how much is put in."""

import time
from typing import TYPE_CHECKING

from node.cli.context import Context
from node.cli.remote import public_url, reachable
from node.cli.signers import signer

if TYPE_CHECKING:
    import httpx2

    from node.client.auth import WalletAuth
    from node.client.channel import Channel

FOLDER = "wallet"
DEPOSIT = 10**18
"""What a channel is filled with when it runs short: 1 OPEN."""


def wallet(context: Context, account: str | None, max_cost: int | None = None) -> "WalletAuth":
    """An auth that signs for `account`, or for the account of the settings."""
    from node.client.auth import WalletAuth

    settings = context.settings(account=account)
    return WalletAuth(signer(context, settings.account), settings.home / FOLDER, deposit=DEPOSIT, max_cost=max_cost)


def channel_with(context: Context, client: "httpx2.Client", account: str | None, node: str | None) -> "Channel":
    """The channel between an account and a node, funded or not."""
    from node.client.account_file import AccountFile
    from node.client.channel import Channel
    from node.client.flows import fetch_card, run

    settings = context.settings(account=account)
    url, key = public_url(context, node), signer(context, settings.account)
    with reachable(url):
        card = run(client, fetch_card(url))
    file = AccountFile(settings.home / FOLDER, card.chain_id, key.address, card.vault)
    return Channel(url, card, key, file, time.time)
