"""`settle` against a node that does not settle."""

import pytest

from tests.node.cli.conftest import Cli


@pytest.mark.parametrize("verb", [("status",), ("now",), ("now", "--dry-run"), ("retry",)])
def test_a_free_node_offers_no_settlement(cli: Cli, home: str, verb: tuple[str, ...]) -> None:
    done = cli("--home", home, "settle", *verb)

    assert done.code == 2
    assert "without payment" in done.err


def test_a_free_node_has_no_events_to_read_again(cli: Cli, home: str) -> None:
    done = cli("--home", home, "chain", "rescan", "--from-block", "0")

    assert done.code == 2
    assert "without payment" in done.err
