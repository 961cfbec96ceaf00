"""`ps` and `status` of a running node."""

import json

from node.dev.starter import BASE_NAME
from tests.node.cli.conftest import Cli


def test_ps_and_status_tell_what_the_node_does(cli: Cli, home: str) -> None:
    models = json.loads(cli("--home", home, "ps", "--json").out)["models"]
    status = json.loads(cli("--home", home, "status", "--json").out)

    assert BASE_NAME in {model["id"] for model in models}
    assert status["ready"] is True
    assert cli("--home", home, "status").out.count("ok") >= 3
