"""The file that remembers a channel: shared by processes, whole after a crash, clear when damaged."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from node.client.account import Account, PendingDeposit, Promise
from node.client.account_file import AccountFile
from node.client.errors import StateUnusable
from tests.node.client.answers import VAULT
from tests.node.client.conftest import PAYER


@pytest.fixture
def file(tmp_path: Path) -> AccountFile:
    return AccountFile(tmp_path / "channels", 31337, PAYER.address, VAULT)


def test_an_account_comes_back_as_it_was_written(file: AccountFile) -> None:
    account = Account(3, 2**127, 2**127, (Promise(2**255, 7, 9, lost=True), Promise(1, 2, 3)), PendingDeposit("{}", 5))

    file.update(lambda _: account)

    assert file.read() == account


def test_a_new_file_knows_nothing(file: AccountFile) -> None:
    assert file.read() is None


def test_only_the_owner_may_read_the_file(file: AccountFile) -> None:
    file.update(lambda account: account)

    assert file.path.stat().st_mode & 0o777 == 0o600


def test_a_change_that_fails_changes_nothing(file: AccountFile) -> None:
    file.update(lambda account: replace(account, balance=5))

    def fail(account: Account) -> Account:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        file.update(fail)
    assert file.read() == Account(balance=5)


def test_processes_take_turns(file: AccountFile) -> None:
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        "from node.client.account_file import AccountFile\n"
        "file = AccountFile(Path(sys.argv[1]), 31337, sys.argv[2], sys.argv[3])\n"
        "for _ in range(200): file.update(lambda account: replace(account, charged=account.charged + 1))"
    )
    command = [sys.executable, "-c", code, str(file.path.parent), PAYER.address, VAULT]

    running = [subprocess.Popen(command) for _ in range(3)]

    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert file.read() == Account(charged=600)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 2}', json.dumps({"format": 1, "charged": -1})])
def test_a_damaged_file_is_named_with_the_way_out(file: AccountFile, text: str) -> None:
    file.path.write_text(text)

    with pytest.raises(StateUnusable, match=r"0x.*json.*Move it away"):
        file.read()


def test_an_account_of_other_types_is_damage(file: AccountFile) -> None:
    file.update(lambda account: account)
    document = json.loads(file.path.read_text())
    file.path.write_text(json.dumps(document | {"promises": 7}))

    with pytest.raises(StateUnusable):
        file.read()
