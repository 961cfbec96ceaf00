"""Account names on the command line: keystores of the home, and on a development node its public accounts."""

from typing import TYPE_CHECKING

from node.cli.context import Context
from node.cli.failures import ConfigurationFailure
from node.home import Running

if TYPE_CHECKING:
    from contracts.crypto import PrivateKey

_DEV_INDEX = {"operator": 1, "payer": 2} | {f"contributor-{n + 1}": 10 + n for n in range(12)}


def signer(context: Context, name: str) -> "PrivateKey":
    """The key behind an account name."""
    running = Running.read(context.home)
    if running is not None and running.mode == "dev" and name in _DEV_INDEX:
        from local_chain.accounts import dev_accounts

        return dev_accounts()[_DEV_INDEX[name]]
    raise ConfigurationFailure(f"There is no account {name!r} in {context.home}.", "python -m node account list")
