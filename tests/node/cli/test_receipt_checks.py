"""`receipts verify` with a free node."""

import json

from node.dev.starter import BASE_NAME
from tests.node.cli.conftest import Cli


def test_a_receipt_of_a_free_node_is_verified_by_its_signature(cli: Cli, home: str) -> None:
    reply = json.loads(cli("--home", home, "--json", "chat", BASE_NAME, "Hello").out)

    done = cli("--home", home, "receipts", "verify", reply["receipt"]["id"])

    assert done.code == 0
    assert done.out.startswith("ok       signature")
