"""A stranger who watches nodes: `python -m node watch` in a process of its own, with a funded key."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contracts.crypto import PrivateKey
from tests.e2e.attacker import Attacker
from tests.e2e.node_process import environment

PATIENCE_S = 240
"""Generous: the machine may run other tests beside."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """A running `watch`, and what it has said so far."""

    home: Path
    key: PrivateKey
    process: subprocess.Popen[bytes]

    @property
    def lines(self) -> list[dict[str, str]]:
        """Every finding and action, as --json writes them."""
        return [json.loads(line) for line in (self.home / "watch.out").read_text().splitlines()]

    def said(self, attacker: Attacker, member: str) -> list[str]:
        """The faults (`fault`) that it found at a node, or the actions (`action`) that it took."""
        return [line[member] for line in self.lines if line["node"] == attacker.url and member in line]

    def until(self, holds: Callable[[], bool]) -> None:
        """Waits until something holds. AssertionError with everything that it said if it ends before, or in time."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = [(self.home / name).read_text()[-6_000:] for name in ("watch.out", "watch.err")]
                raise AssertionError("\n".join(said))
            time.sleep(0.1)


@contextmanager
def watching(home: Path, key: PrivateKey, attackers: Iterable[Attacker], *flags: str) -> Iterator[Watcher]:
    """Watches these nodes and challenges their faults until the block ends. The payers' receipts are known to it.

    home: has the key as `account`.
    """
    watched = list(attackers)
    given = home / "given.jsonl"
    given.write_text("".join(json.dumps(row) + "\n" for one in watched for row in one.given))
    words = ["--json", "watch", *(one.url for one in watched), "--account", "account", "--payee", "treasury"]
    line = [sys.executable, "-m", "node", "--home", str(home), *words, "--interval", "0.2", "--receipts", str(given)]
    with (home / "watch.out").open("wb") as out, (home / "watch.err").open("wb") as err:
        process = subprocess.Popen([*line, *flags], env=environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=err)
    try:
        yield Watcher(home, key, process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
