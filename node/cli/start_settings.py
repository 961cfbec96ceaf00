"""What `start` needs beyond its flags: a mode, and the operator's password where a keystore is opened."""

import sys

import typer

from node.cli.context import Context
from node.cli.failures import UsageFailure
from node.config import Settings


def start_settings(context: Context, **flags: object) -> Settings:
    """The settings of a start. UsageFailure if nothing says how to serve."""
    settings = context.settings(**flags)
    if settings.mode == "paid" and settings.chain_rpc is None:
        fix = "start --dev (a local chain), start --free (no payment), or start --chain-rpc URL"
        raise UsageFailure("Say how to serve.", fix)
    if settings.mode == "paid" and settings.operator_password is None and sys.stdin.isatty():
        password = typer.prompt(f"Password of {settings.operator_account}", hide_input=True, err=True)
        return context.settings(**flags, operator_password=password)
    return settings
