"""A start needs a mode."""

from tests.node.cli.conftest import Cli


def test_a_start_that_does_not_say_how_to_serve_is_a_usage_error(cli: Cli) -> None:
    done = cli("start")

    assert done.code == 2
    assert "--dev" in done.err
