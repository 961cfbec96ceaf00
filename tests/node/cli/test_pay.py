"""`pay` with a node that serves without payment."""

from node.dev.starter import BASE_NAME
from tests.node.cli.conftest import Cli


def test_paying_a_free_node_is_refused_before_anything_is_signed(cli: Cli, home: str) -> None:
    done = cli("--home", home, "pay", "quote", BASE_NAME)

    assert done.code == 2
    assert "without payment" in done.err
