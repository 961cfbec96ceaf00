"""The file that remembers a channel: shared by processes, whole after a crash, clear when damaged."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from node.client.account import Account, PendingDeposit, Promise
from node.client.book import Book
from node.client.errors import StateUnusable
from tests.node.client.answers import VAULT
from tests.node.client.conftest import PAYER


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "channels", 31337, PAYER.address, VAULT)


def test_an_account_comes_back_as_it_was_written(book: Book) -> None:
    account = Account(3, 2**127, 2**127, (Promise(2**255, 7, 9, lost=True), Promise(1, 2, 3)), PendingDeposit("{}", 5))

    book.update(lambda _: account)

    assert book.read() == account


def test_a_new_book_knows_nothing(book: Book) -> None:
    assert book.read() is None


def test_only_the_owner_may_read_the_file(book: Book) -> None:
    book.update(lambda account: account)

    assert book.path.stat().st_mode & 0o777 == 0o600


def test_a_change_that_fails_changes_nothing(book: Book) -> None:
    book.update(lambda account: replace(account, balance=5))

    def fail(account: Account) -> Account:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        book.update(fail)
    assert book.read() == Account(balance=5)


def test_processes_take_turns(book: Book) -> None:
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace; from node.client.book import Book\n"
        "book = Book(Path(sys.argv[1]), 31337, sys.argv[2], sys.argv[3])\n"
        "for _ in range(200): book.update(lambda account: replace(account, charged=account.charged + 1))"
    )
    command = [sys.executable, "-c", code, str(book.path.parent), PAYER.address, VAULT]

    running = [subprocess.Popen(command) for _ in range(3)]

    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert book.read() == Account(charged=600)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 2}', json.dumps({"format": 1, "charged": -1})])
def test_a_damaged_file_is_named_with_the_way_out(book: Book, text: str) -> None:
    book.path.write_text(text)

    with pytest.raises(StateUnusable, match=r"0x.*json.*Move it away"):
        book.read()


def test_an_account_of_other_types_is_damage(book: Book) -> None:
    book.update(lambda account: account)
    document = json.loads(book.path.read_text())
    book.path.write_text(json.dumps(document | {"promises": 7}))

    with pytest.raises(StateUnusable):
        book.read()
