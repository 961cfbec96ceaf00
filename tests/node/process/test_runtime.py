"""A node's life: what is bound first, what is written, and what is gone afterwards."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from node.home.run_file import Running
from node.process.listeners import PortInUse
from node.process.runtime import listening, process_age_s
from tests.node.running import Silent, free_settings, node_thread


class Recording(Silent):
    """Remembers the steps of a start."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def progress(self, what: str, fraction: float) -> None:
        self.steps.append(what)


def test_the_run_file_exists_while_the_node_answers(tmp_path: Path) -> None:
    with node_thread(free_settings(tmp_path)) as node:
        running = Running.read(tmp_path)
        alive = httpx2.get(node.url + "/healthz").status_code

    assert running is not None
    assert (running.url, running.mode, running.pid, running.chain_url) == (node.url, "free", os.getpid(), None)
    assert alive == 200
    assert Running.read(tmp_path) is None
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(node.url + "/healthz")


async def test_a_port_in_use_is_reported_before_anything_is_loaded(tmp_path: Path) -> None:
    screen = Recording()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"Port {port} on 127"):
            async with listening(free_settings(tmp_path, port=port), screen):
                pass

    assert screen.steps == []
    assert Running.read(tmp_path) is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_the_node_and_ends_it_well(tmp_path: Path, number: signal.Signals) -> None:
    words = [sys.executable, "-m", "node", "--home", str(tmp_path), "--json", "start", "--free"]
    ports = ["--port", "0", "--admin-port", "0", "--device", "cpu", "--dtype", "fp32"]
    with subprocess.Popen([*words, *ports], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        banner, line = "", ""
        while line != "}\n":
            line = node.stdout.readline()
            assert line, node.communicate()[1]
            banner += line
        node.send_signal(number)
        _, errors = node.communicate(timeout=60)

    assert json.loads(banner)["event"] == "ready"
    assert node.returncode == 0, errors
    assert "node_drained" in errors
    assert Running.read(tmp_path) is None


def test_the_age_of_a_process_counts_from_its_start() -> None:
    program = "import time; time.sleep(0.3); from node.process.runtime import process_age_s; print(process_age_s())"

    age_s = float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)

    assert age_s >= 0.3
    assert process_age_s() > 0
