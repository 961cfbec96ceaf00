"""`python -m local_chain`: its line on standard output, its exit codes, and what makes it stop."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local_chain.client import RpcClient
from local_chain.errors import ChainUnreachable
from local_chain.home import ChainHome

REPOSITORY = Path(__file__).parents[2]


def start(home: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "local_chain", "--home", str(home), "--port", "0", *options]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=REPOSITORY
    )


def first_line(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def test_it_announces_the_chain_and_stops_when_standard_input_closes(home: Path) -> None:
    process = start(home, "--until-stdin-closes")

    ready = first_line(process)

    run = ChainHome(home).announced()
    assert ready == {"rpc_url": ready["rpc_url"], "pid": process.pid, "engine": "pyevm"}
    assert run is not None
    assert (run.rpc_url, run.pid) == (ready["rpc_url"], process.pid)
    assert run.genesis_hash == RpcClient(ready["rpc_url"]).genesis_hash()
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert ChainHome(home).announced() is None
    with pytest.raises(ChainUnreachable):
        RpcClient(ready["rpc_url"]).chain_id()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_in_order(home: Path, number: signal.Signals) -> None:
    process = start(home)
    first_line(process)

    process.send_signal(number)

    process.communicate(timeout=30)
    assert process.returncode == 0
    assert ChainHome(home).announced() is None


def test_a_home_in_use_is_reported_with_exit_code_4(home: Path) -> None:
    with ChainHome(home).lock():
        process = start(home)

        report = first_line(process)

        process.communicate(timeout=30)
    assert process.returncode == 4
    assert report["error"] == "HomeInUse"
    assert str(home) in report["message"]
