"""The settings of `start`: checks that a mode is chosen, and asks for the operator's password if it is needed."""

import sys

import typer

from node.cli.context import Context
from node.cli.failures import UsageFailure
from node.config import Settings


def start_settings(context: Context, **flags: object) -> Settings:
    """The settings of a start. Raises UsageFailure if no mode is chosen."""
    settings = context.settings(**flags)
    if settings.mode == "paid" and settings.chain_rpc is None:
        fix = "give --dev (a local chain), --free (no payment) or --chain-rpc URL (a chain of yours)"
        raise UsageFailure("start needs a mode.", fix)
    return _with_password(context, settings, flags)


def settle_settings(context: Context, **flags: object) -> Settings:
    """The settings of settling without a node. Raises UsageFailure if no chain is named."""
    settings = context.settings(**flags)
    if settings.mode == "free" or (settings.mode == "paid" and settings.chain_rpc is None):
        fix = "give --chain-rpc URL, or --dev for the local chain of this home"
        raise UsageFailure("settling needs the chain that the node was paid on.", fix)
    return _with_password(context, settings, flags)


def _with_password(context: Context, settings: Settings, flags: dict[str, object]) -> Settings:
    if settings.mode == "paid" and settings.operator_password is None and sys.stdin.isatty():
        password = typer.prompt(f"Password of {settings.operator_account}", hide_input=True, err=True)
        return context.settings(**flags, operator_password=password)
    return settings
