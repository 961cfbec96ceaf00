"""`python -m local_chain`: runs a chain until it is stopped.

Prints one JSON line on standard output: `rpc_url`, `pid` and `engine` once the chain is ready, or `error` and `message`
if it could not start. Everything else goes to standard error.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import structlog

from local_chain.anvil import AnvilBackend
from local_chain.backend import ENGINES, ChainBackend, Engine
from local_chain.client import RpcClient
from local_chain.errors import EngineMissing, LocalChainError
from local_chain.home import ChainHome, ChainRun
from local_chain.idle import IdleMiner

_TICK_S = 1.0
_log = structlog.get_logger("local_chain")


def main() -> int:
    """Runs the command line. Returns 0 after an orderly stop, 4 if the chain could not start or ended by itself."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    arguments = _parser().parse_args()
    os.umask(0o077)  # also for the files that SQLite and anvil create
    stop = threading.Event()
    _stop_on_signals(stop)
    home = ChainHome(arguments.home)
    owner = os.getppid() if arguments.until_stdin_closes else None
    try:
        with home.lock():
            return run(home, arguments.engine, arguments.port, owner, stop)
    except LocalChainError as error:
        print(json.dumps({"error": error.kind, "message": str(error)}), flush=True)
        return 4


def run(home: ChainHome, engine: Engine, port: int, owner: int | None, stop: threading.Event) -> int:
    """Starts the engine, announces it, lets time pass until `stop` is set, and stops the engine.

    `owner` is the process whose end closes our standard input; None if the chain ends by itself. Returns the exit code:
    0 after an orderly stop, 4 if the engine ended by itself. Raises LocalChainError if it cannot start.
    """
    home.require_engine(engine)
    backend = _backend(engine, home.path)
    backend.start(port)
    if owner is not None:  # started after the engine: anvil must be forked while this process has one thread
        threading.Thread(target=_stop_at_eof, args=(stop,), daemon=True).start()
    try:
        client = RpcClient(backend.rpc_url)
        announced = ChainRun(os.getpid(), owner, engine, backend.rpc_url, client.genesis_hash())
        home.announce(announced)
        print(json.dumps({"rpc_url": backend.rpc_url, "pid": announced.pid, "engine": engine}), flush=True)
        _log.info("chain_started", engine=engine, rpc_url=backend.rpc_url, genesis_hash=announced.genesis_hash)
        return 0 if _wait(backend, IdleMiner(client), stop) else 4
    finally:
        home.withdraw()
        backend.stop()
        _log.info("chain_stopped", engine=engine)


def _wait(backend: ChainBackend, idle: IdleMiner, stop: threading.Event) -> bool:
    """Waits for `stop`. Returns False if the chain ended by itself before."""
    while not stop.wait(_TICK_S):
        if not backend.running():
            _log.error("chain_ended", rpc_url=backend.rpc_url)
            return False
        try:
            idle.tick(time.monotonic())
        except LocalChainError as error:
            _log.warning("idle_block_failed", reason=str(error))
    return True


def _backend(engine: Engine, home: Path) -> ChainBackend:
    if engine == "anvil":
        return AnvilBackend(home)
    try:
        from local_chain.embedded import PyevmBackend
    except ImportError as error:
        raise EngineMissing.of("pyevm", f"pip install 'openlora-node[dev-chain]' ({error})") from error
    return PyevmBackend(home)


def _stop_on_signals(stop: threading.Event) -> None:
    def note(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)


def _stop_at_eof(stop: threading.Event) -> None:
    """Sets `stop` once standard input closes. The parent holds its other end, which the kernel closes when it ends."""
    sys.stdin.buffer.read()
    stop.set()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local_chain", description="Run a private Ethereum chain (id 31337)."
    )
    parser.add_argument("--engine", choices=ENGINES, default="pyevm", help="what runs the chain")
    parser.add_argument("--home", type=Path, required=True, help="the directory of the chain's files")
    parser.add_argument("--port", type=int, default=8545, help="0 takes any free port")
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="stop when standard input closes, which happens when the parent process ends",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
