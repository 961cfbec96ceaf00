"""Command lines run in this process."""

from tests.node.cli.conftest import cli

__all__ = ["cli"]
