"""Starts nodes in processes that begin with all libraries imported: most of a start is importing torch.

`python -m tests.e2e.preloaded` reads JSON lines `{"words": […], "out": PATH, "err": PATH}` and answers each with the
process id of `python -m node WORDS`. Each is a process of its own, forked from this one, which never runs a node.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from tests.e2e.node_process import environment

_LIBRARIES = ("node.cli.app", "node.cli.start", "node.cli.screen", "node.process.runtime", "node.api.app")
_WORLDS = ("node.compose.free", "node.compose.paid")


class ForkedNode:
    """A node's process. It has the methods of `subprocess.Popen` that tests of nodes use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """None while the process runs; how it ended is not known."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return -1
        return None

    def wait(self, timeout_s: float) -> int:
        deadline = time.monotonic() + timeout_s
        while (ended := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("node", timeout_s)
            time.sleep(0.01)
        return ended

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Preloader:
    """The process that forks nodes. Close it when its last node has ended."""

    def __init__(self) -> None:
        line = [sys.executable, "-m", "tests.e2e.preloaded"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(line, env=environment(), text=True, stdin=pipe, stdout=pipe, bufsize=1)

    def start(self, words: list[str], out: Path, err: Path) -> ForkedNode:
        """Starts `python -m node WORDS`, which appends to two files."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"words": words, "out": str(out), "err": str(err)}) + "\n")
        return ForkedNode(int(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def serve() -> None:
    """Imports everything, then forks a node for every line of standard input."""
    for name in (*_LIBRARIES, *_WORLDS):
        import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the nodes
    while line := sys.stdin.readline():
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become_node(asked["words"], asked["out"], asked["err"])
        print(pid, flush=True)


def become_node(words: list[str], out: str, err: str) -> None:
    """Runs the command line in this process and ends it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for number, path in ((0, "/dev/null"), (1, out), (2, err)):
        descriptor = os.open(path, os.O_RDONLY if number == 0 else flags, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    main = import_module("node.cli.app").main
    try:
        main(words)
    except SystemExit as ended:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 1)
    os._exit(0)


if __name__ == "__main__":
    serve()
