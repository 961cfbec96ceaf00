"""Accounts by name: the keystores of the home, and the public development accounts while its node runs with --dev."""

import sys
from typing import TYPE_CHECKING

import typer

from node.cli.context import Context
from node.cli.failures import UsageFailure
from node.home.run_file import Running

if TYPE_CHECKING:
    from contracts.crypto import Address, PrivateKey


def signer(context: Context, name: str) -> "PrivateKey":
    """The key of an account. The keystore's password comes from the settings, else the user is asked."""
    from node.home.keystore import Keystores

    key = _dev_key(context, name)
    if key is not None:
        return key
    stores = Keystores.of_home(context.home)
    entry = stores.find(name)
    return stores.unlock(entry.name, _password(context, entry.name))


def address_of(context: Context, account: str) -> "Address":
    """The address of an account that is given by name or as an address. Needs no password."""
    from contracts.crypto import to_address
    from node.home.keystore import Keystores

    if account.startswith("0x"):
        try:
            return to_address(account)
        except ValueError as error:
            raise UsageFailure(str(error), "give an address or the name of an account") from error
    key = _dev_key(context, account)
    return key.address if key else Keystores.of_home(context.home).find(account).address


def _dev_key(context: Context, name: str) -> "PrivateKey | None":
    from node.home.dev_accounts import dev_account

    running = Running.read(context.home)
    return dev_account(name) if running is not None and running.mode == "dev" else None


def _password(context: Context, name: str) -> str:
    given = context.settings().password
    if given is not None:
        return given.get_secret_value()
    if not sys.stdin.isatty():
        raise UsageFailure(
            f"the account {name!r} needs its password", "set OPENLORA_PASSWORD_FILE to a file that holds it"
        )
    password: str = typer.prompt(f"Password of {name}", hide_input=True, err=True)
    return password
