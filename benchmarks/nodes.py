"""Nodes under measurement: real processes, each with its own home, on free loopback ports."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_S = 120


@dataclass(frozen=True, slots=True)
class RunningNode:
    """A node that has reported that it is ready. pid: of the serving process, not of the embedded chain."""

    url: str
    home: Path
    pid: int

    def rss_bytes(self) -> int:
        """Resident memory of the serving process now. Source: proc(5), VmRSS."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024


@contextmanager
def running_node(*flags: str) -> Iterator[RunningNode]:
    """Run `python -m node start FLAGS` and wait until it is ready; drain and stop it afterwards.

    Raises RuntimeError with the node's log if it is not ready within START_S seconds.
    """
    with tempfile.TemporaryDirectory(prefix="openlora-bench-") as folder:
        home = Path(folder)
        command = [
            sys.executable,
            "-m",
            "node",
            "--home",
            str(home),
            "start",
            *flags,
            "--port",
            "0",
            "--admin-port",
            "0",
        ]
        with (home / "log").open("wb") as log:
            child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            try:
                yield _ready(child, home)
            finally:
                child.send_signal(signal.SIGINT)
                child.wait(timeout=60)


def _ready(child: subprocess.Popen[bytes], home: Path) -> RunningNode:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and child.poll() is None:
        if b"Ready in" in (home / "log").read_bytes():
            run = json.loads((home / "run.json").read_text())
            return RunningNode(run["url"], home, child.pid)
        time.sleep(0.1)
    raise RuntimeError(f"the node did not start:\n{(home / 'log').read_text()}")
