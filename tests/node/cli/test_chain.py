"""The `chain` verbs, run as an operator runs them."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from local_chain.accounts import dev_accounts
from local_chain.client import RpcClient
from local_chain.errors import ChainUnreachable, HomeInUse
from local_chain.home import ChainHome
from local_chain.launcher import start_chain
from node.cli import chain
from node.cli.context import Context
from node.cli.failures import UsageFailure, exit_code_of

REPOSITORY = Path(__file__).parents[3]
UP_PROGRAM = """
import signal, sys, typer
from pathlib import Path
from node.cli import chain
from node.cli.context import Context
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run as a background job ignore it
typer.main.get_command(chain.app)(["up", "--port", "0"], obj=Context({"home": Path(sys.argv[1])}))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "node"


def invoke(home: Path, *arguments: str, answer: str = "") -> Result:
    """One verb under the global options; failures surface as they are."""
    app = typer.Typer()
    app.add_typer(chain.app, name="chain")

    @app.callback()
    def options(context: typer.Context) -> None:
        context.obj = Context({"home": home})

    return CliRunner().invoke(app, ["chain", *arguments], input=answer, catch_exceptions=False)


def output(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_running_chain_is_deployed_to_and_its_accounts_are_funded(home: Path) -> None:
    running = start_chain(home / "chain")
    stranger = "0x" + "11" * 20

    deployed = output(invoke(home, "deploy"))
    first = output(invoke(home, "fund", stranger, "--open", "7", "--eth", "2"))
    second = output(invoke(home, "fund", stranger, "--open", "1"))
    third = output(invoke(home, "fund", "10", "--eth", "0"))

    assert deployed == running.deployment.to_json()
    assert (first["open"], second["open"]) == (str(7 * 10**18), str(8 * 10**18))
    assert third["address"] == dev_accounts()[10].address
    balance = RpcClient(running.rpc_url).call("eth_getBalance", stranger, "latest")
    assert int(str(balance), 16) == 3 * 10**18
    running.stop()


def test_verbs_that_need_a_running_chain_say_how_to_start_one(home: Path) -> None:
    for verb in (["deploy"], ["fund", "10"]):
        with pytest.raises(ChainUnreachable, match="chain up"):
            invoke(home, *verb)


@pytest.mark.parametrize("account", ["22", "0x12", "alice"])
def test_an_account_that_is_neither_address_nor_number_is_a_usage_failure(home: Path, account: str) -> None:
    with pytest.raises(UsageFailure, match="address"):
        invoke(home, "fund", account)


def test_an_unknown_engine_is_a_usage_failure_that_names_the_engines(home: Path) -> None:
    with pytest.raises(UsageFailure) as raised:
        invoke(home, "up", "--engine", "geth")

    assert raised.value.fix is not None
    assert "anvil" in raised.value.fix


def test_reset_asks_then_removes_the_chain(home: Path) -> None:
    running = start_chain(home / "chain")
    with pytest.raises(HomeInUse):
        invoke(home, "reset", "--yes")
    running.stop()

    refused = invoke(home, "reset", answer="n\n")
    assert refused.exit_code != 0
    assert ChainHome(home / "chain").engine() == "pyevm"

    removed = output(invoke(home, "reset", "--yes"))["removed"]
    assert str(home / "chain" / "pyevm.sqlite") in removed
    assert ChainHome(home / "chain").engine() is None


def test_up_runs_until_interrupted_and_leaves_nothing_running(home: Path) -> None:
    up = subprocess.Popen(
        [sys.executable, "-c", UP_PROGRAM, str(home)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY
    )
    assert up.stdout is not None
    lines = []
    while not lines or lines[-1] != b"}\n":
        lines.append(up.stdout.readline())
        assert lines[-1], up.communicate()[1].decode()
    document = json.loads(b"".join(lines))
    assert RpcClient(document["rpcUrl"]).chain_id() == 31337
    adopted = output(invoke(home, "up", "--port", "0"))

    up.send_signal(signal.SIGINT)
    _, errors = up.communicate(timeout=30)

    assert adopted == document
    assert up.returncode == 0, errors
    assert not ChainHome(home / "chain").is_locked()
    with pytest.raises(ChainUnreachable):
        RpcClient(document["rpcUrl"]).chain_id()


def test_every_failure_of_the_chain_exits_with_its_code() -> None:
    for error in (ChainUnreachable("why"), HomeInUse("why")):
        assert exit_code_of(error) == 4
