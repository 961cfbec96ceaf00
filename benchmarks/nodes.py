"""Nodes under measurement: real processes in homes of their own, on free ports of loopback."""

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
    """A node that said it is ready. rss_bytes are those of the serving process alone, not of its chain."""

    url: str
    home: Path
    pid: int

    def rss_bytes(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024


@contextmanager
def running_node(*flags: str) -> Iterator[RunningNode]:
    """`python -m node start FLAGS`, ready; drained and gone afterwards."""
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
            found = json.loads((home / "run.json").read_text())
            return RunningNode(found["url"], home, child.pid)
        time.sleep(0.1)
    raise RuntimeError(f"the node did not start:\n{(home / 'log').read_text()}")
