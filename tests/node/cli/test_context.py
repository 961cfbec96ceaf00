"""Output of the verbs."""

import pytest

from node.dev.starter import BASE_NAME
from tests.node.cli.conftest import Cli


@pytest.mark.parametrize(
    "words",
    [("adapter", "list"), ("ps",), ("status",), ("receipts", "list"), ("receipts", "export"), ("config", "show")],
)
def test_lists_are_readable_and_full_in_a_pipe(cli: Cli, home: str, words: tuple[str, ...]) -> None:
    cli("--home", home, "chat", BASE_NAME, "Hello")

    done = cli("--home", home, *words)

    assert done.code == 0
    assert done.out
    assert "…" not in done.out
