"""`earnings` and `claim` against a node without payment."""

from pathlib import Path

import pytest

from local_chain.accounts import dev_accounts
from tests.node.cli.conftest import Cli

ADDRESS = dev_accounts()[10].address


@pytest.mark.parametrize(
    "verb", [("earnings",), ("earnings", "--by", "day"), ("earnings", "--csv"), ("claim", "--dry-run")]
)
def test_a_free_node_has_no_earnings(cli: Cli, home: str, verb: tuple[str, ...]) -> None:
    done = cli("--home", home, *verb, "--account", ADDRESS)

    assert done.code == 2
    assert "without payment" in done.err


def test_an_account_that_does_not_exist_is_a_configuration_failure(cli: Cli, home: str) -> None:
    done = cli("--home", home, "earnings", "--account", "nobody")

    assert done.code == 3
    assert "there is no account 'nobody'" in done.err


def test_claims_need_a_mirror_that_holds_a_node(cli: Cli, tmp_path: Path) -> None:
    done = cli("claim", "--account", "0x" + "11" * 20, "--mirror", str(tmp_path / "nothing"))

    assert done.code == 2
    assert "mirrors no node" in done.err
