"""A node as its operator runs it: `python -m node start` in a process of its own, and the other commands beside it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
START_S = 180
"""Generous: the machine may run other tests beside."""


def environment() -> dict[str, str]:
    """Ours without any node's settings, one thread each, and the packages of this checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENLORA_")}
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def command(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One command of the CLI, to its end."""
    line = [sys.executable, "-m", "node", "--home", str(home), *words]
    return subprocess.run(
        line, env=environment(), text=True, capture_output=True, timeout=START_S, check=False, stdin=subprocess.DEVNULL
    )


@dataclass(frozen=True, slots=True)
class NodeProcess:
    """A node that has said that it is ready."""

    home: Path
    process: subprocess.Popen[bytes]

    @property
    def run_json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "run.json").read_text())
        return found

    @property
    def url(self) -> str:
        return str(self.run_json["url"])

    @property
    def output(self) -> str:
        return (self.home / "start.out").read_text()

    def run(self, *words: str) -> str:
        """The output of a command that must succeed."""
        done = command(self.home, *words)
        assert done.returncode == 0, f"{' '.join(words)} exited {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.run("--json", *words))

    def stop(self) -> int:
        """Ctrl-C, and wait; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def kill(self) -> None:
        """kill -9: nothing gets to clean up."""
        self.process.kill()
        self.process.wait(60)


@contextmanager
def started(home: Path, *flags: str) -> Iterator[NodeProcess]:
    """`start FLAGS` on free ports, ready; gone when the block ends."""
    home.mkdir(parents=True, exist_ok=True)
    line = [sys.executable, "-m", "node", "--home", str(home), "start", *flags, "--port", "0", "--admin-port", "0"]
    with (home / "start.out").open("wb") as out, (home / "start.err").open("wb") as err:
        process = subprocess.Popen(line, env=environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=err)
    node = NodeProcess(home, process)
    try:
        _await_ready(node)
        yield node
        node.stop()
    finally:
        if process.poll() is None:
            node.kill()


def _await_ready(node: NodeProcess) -> None:
    deadline = time.monotonic() + START_S
    while "Ready in" not in node.output:
        if node.process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"the node did not start:\n{node.output}\n{(node.home / 'start.err').read_text()}")
        time.sleep(0.1)
