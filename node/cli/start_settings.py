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
    if settings.mode == "paid" and settings.operator_password is None and sys.stdin.isatty():
        password = typer.prompt(f"Password of {settings.operator_account}", hide_input=True, err=True)
        return context.settings(**flags, operator_password=password)
    return settings
