"""Starts a chain in a separate process, or adopts the chain that already runs on the same home."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from local_chain.backend import Engine
from local_chain.client import RpcClient, RpcRefused
from local_chain.deploy import DevParameters, deploy
from local_chain.deployment import Deployment
from local_chain.errors import ChainStartFailed, ChainUnreachable, HomeInUse, LocalChainError
from local_chain.home import LOG_NAME, ChainHome, ChainRun

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 25.0
ENDING_TIMEOUT_S = 15.0
"""How long a start waits for a locked home to answer or to become free."""


@dataclass(frozen=True, slots=True)
class RunningChain:
    """A running chain with its contracts.

    `stop` ends a chain that this process started, and leaves an adopted chain running. Keep a
    reference to this object: a chain that this process started ends when the object is garbage-collected.
    """

    rpc_url: str
    pid: int
    engine: Engine
    deployment: Deployment
    _process: subprocess.Popen[str] | None = field(default=None, repr=False, compare=False)

    @property
    def adopted(self) -> bool:
        """Whether another process started the chain."""
        return self._process is None

    def running(self) -> bool:
        """Whether the process of the chain is alive."""
        return _alive(self.pid) if self._process is None else self._process.poll() is None

    def stop(self) -> None:
        """Ends a chain that this process started. Returns once its files are complete and its lock is free."""
        if self._process is not None:
            _end(self._process)


def start_chain(
    home: Path,
    engine: Engine = "pyevm",
    port: int = 0,
    on_progress: Callable[[str, float], None] = lambda step, part: None,
    ending_timeout_s: float = ENDING_TIMEOUT_S,
    *,
    parameters: DevParameters | None = None,
) -> RunningChain:
    """Starts the chain in `home`, or adopts it, and deploys the contracts. Port 0 takes any free port.

    parameters: of the contracts, if they are not deployed yet.

    A chain that another live process runs there is adopted. A chain whose owner has ended is stopped and replaced. The
    child process has its own session, so that Ctrl-C reaches only this process, and it ends when this process ends, for
    whatever reason. Raises LocalChainError.
    """
    chain = ChainHome(home)
    chain.require_engine(engine)
    process, run = _adopt_or_spawn(chain, engine, port, ending_timeout_s)
    try:
        with chain.deploying():
            deployment = deploy(run.rpc_url, parameters or DevParameters(), on_progress=on_progress)
    except BaseException:
        if process is not None:
            _end(process)
        raise
    return RunningChain(run.rpc_url, run.pid, run.engine, deployment, process)


def _adopt_or_spawn(
    chain: ChainHome, engine: Engine, port: int, ending_timeout_s: float
) -> tuple[subprocess.Popen[str] | None, ChainRun]:
    while True:
        run = _adopt_or_wait(chain, port, ending_timeout_s)
        if run is not None:
            return None, run
        with suppress(HomeInUse):  # another process took the home before our child did: adopt its chain
            return _spawn(chain, engine, port)


def _adopt(chain: ChainHome, port: int) -> ChainRun | None:
    """The chain of this locked home if its owner is alive and it answers as recorded; otherwise None.

    Raises HomeInUse if it runs on another port than the given one.
    """
    run = chain.announced()
    if run is None or not (run.owner_pid is None or _alive(run.owner_pid)):
        return None
    with suppress(ChainUnreachable, RpcRefused):
        if RpcClient(run.rpc_url).genesis_hash() == run.genesis_hash:
            if port not in (0, _port_of(run.rpc_url)):
                raise HomeInUse.by(chain.path, f"process {run.pid}, which serves it at {run.rpc_url}")
            return run
    return None


def _adopt_or_wait(chain: ChainHome, port: int, timeout_s: float) -> ChainRun | None:
    """The chain to adopt, or None once the home is free.

    A locked home may belong to a chain that is starting, which is awaited, or to a chain that is ending because its
    owner has ended, which is awaited and killed if it hangs.
    """
    deadline = time.monotonic() + timeout_s
    while chain.is_locked():
        run = _adopt(chain, port)
        if run is not None:
            return run
        if time.monotonic() > deadline:
            _kill_orphan(chain)
        time.sleep(0.05)
    return None


def _kill_orphan(chain: ChainHome) -> None:
    """Kills a chain that outlived its owner. Raises HomeInUse if another process holds the lock."""
    run, holder = chain.announced(), chain.lock_holder()
    if run is None or run.pid != holder or run.owner_pid is None or _alive(run.owner_pid):
        raise HomeInUse.by(chain.path, f"process {holder}")
    with suppress(ProcessLookupError):
        os.kill(run.pid, signal.SIGKILL)


def _spawn(chain: ChainHome, engine: Engine, port: int) -> tuple[subprocess.Popen[str], ChainRun]:
    command = [sys.executable, "-m", "local_chain", "--engine", engine, "--home", str(chain.path), "--port", str(port)]
    with chain.open_log() as log:
        process = subprocess.Popen(
            [*command, "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(_import_paths())},
        )
    try:
        ready = _first_line(process, chain.path / LOG_NAME)
        if "error" in ready:
            raise LocalChainError.from_kind(ready["error"], ready["message"])
    except BaseException:
        _end(process)
        raise
    run = chain.announced()
    if run is None:
        _end(process)
        raise ChainStartFailed(f"the chain ended right after its start; see {chain.path / LOG_NAME}")
    return process, run


def _import_paths() -> list[str]:
    """PYTHONPATH of the child, with the folder of this package, which may be a checkout and not site-packages."""
    return [str(Path(__file__).parent.parent), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]


def _first_line(process: subprocess.Popen[str], log: Path) -> dict[str, str]:
    """The JSON line that the child prints once it is ready or cannot start. Raises ChainStartFailed without one."""
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    threading.Thread(target=lambda out=process.stdout: lines.put(out.readline()), daemon=True).start()
    try:
        line = lines.get(timeout=_START_TIMEOUT_S)
    except queue.Empty as error:
        raise ChainStartFailed(f"the chain did not start within {_START_TIMEOUT_S:.0f} s; see {log}") from error
    if not line:
        raise ChainStartFailed(f"the chain's process ended before it was ready; see {log}")
    document: dict[str, str] = json.loads(line)
    return document


def _end(process: subprocess.Popen[str]) -> None:
    """Closes the child's standard input, which makes it stop, and kills it if it does not stop in time."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _port_of(rpc_url: str) -> int:
    return int(rpc_url.rsplit(":", 1)[1])
