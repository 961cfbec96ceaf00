"""`receipts` against a free node: what it lists, how many it keeps, and what it exports."""

import json
from pathlib import Path

import pytest

from node.dev.starter import BASE_NAME
from tests.node.cli.conftest import Cli
from tests.node.running import NodeThread, free_settings, node_thread


def test_a_free_node_keeps_as_many_receipts_as_its_setting_says(cli: Cli, tmp_path: Path) -> None:
    with node_thread(free_settings(tmp_path, free_receipts=2)):
        home = ("--home", str(tmp_path))
        ids = [
            json.loads(cli(*home, "--json", "chat", BASE_NAME, "Hello", "--max-tokens", "1").out)["receipt"]["id"]
            for _ in range(4)
        ]

        page = json.loads(cli(*home, "receipts", "list", "--json").out)
        shown = cli(*home, "receipts", "list").out
        codes = {receipt_id: cli(*home, "receipts", "show", receipt_id).code for receipt_id in ids}

    kept = {one["id"] for one in page["data"]}
    assert page["kept"] == len(kept) == 2
    assert "keeps its newest 2 receipts (setting free_receipts)" in shown
    assert codes == {receipt_id: 0 if receipt_id in kept else 2 for receipt_id in ids}


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_the_list_holds_no_more_than_its_limit(cli: Cli, home: str, form: tuple[str, ...]) -> None:
    for _ in range(2):
        cli("--home", home, "chat", BASE_NAME, "Hello", "--max-tokens", "1")

    done = cli("--home", home, "receipts", "list", "--limit", "1", *form)

    assert done.code == 0
    assert (json.loads(done.out)["data"] if form else done.out.splitlines()[1:-1])[1:] == []


def test_the_export_writes_one_receipt_a_line(cli: Cli, home: str) -> None:
    asked = json.loads(cli("--home", home, "--json", "chat", BASE_NAME, "Hello", "--max-tokens", "1").out)

    lines = cli("--home", home, "receipts", "export").out.splitlines()

    assert asked["receipt"]["id"] in {json.loads(line)["id"] for line in lines}


def test_an_unknown_receipt_is_a_usage_failure(cli: Cli, home: str) -> None:
    assert cli("--home", home, "receipts", "show", "0x" + "00" * 32).code == 2


def test_a_free_node_has_no_batches_to_mirror(cli: Cli, node: NodeThread, tmp_path: Path) -> None:
    done = cli("receipts", "mirror", node.url, str(tmp_path))

    assert done.code == 7
    assert "no batches" in done.err
