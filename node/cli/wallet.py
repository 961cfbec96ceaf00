"""The paying client as the command line uses it: whose key, which folder remembers channels, how much is put in."""

from typing import TYPE_CHECKING

from node.cli.context import Context
from node.cli.signers import signer

if TYPE_CHECKING:
    from node.client.auth import WalletAuth

DEPOSIT = 10**18
"""What a channel is filled with when it runs short: 1 OPEN."""


def wallet(context: Context, account: str | None, max_cost: int | None = None) -> "WalletAuth":
    """An auth that signs for `account`, or for the account of the settings."""
    from node.client.auth import WalletAuth

    settings = context.settings(account=account)
    folder = settings.home / "wallet"
    return WalletAuth(signer(context, settings.account), folder, deposit=DEPOSIT, max_cost=max_cost)
