"""The py-evm engine as a `ChainBackend`: one worker thread owns the chain, another thread serves HTTP."""

import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn
from eth import EVM_RECURSION_LIMIT

from local_chain.backend import HOST, Engine
from local_chain.errors import ChainStartFailed, PortInUse
from local_chain.pyevm.chain import PyevmChain
from local_chain.rpc.methods import Methods
from local_chain.rpc.server import create_app

# py_ecc, which py-evm imports, raises the limit to 100,000; deeply nested JSON would then overflow the C stack
sys.setrecursionlimit(min(sys.getrecursionlimit(), EVM_RECURSION_LIMIT))

_START_TIMEOUT_S = 10
_STOP_TIMEOUT_S = 10
DATABASE_NAME = "pyevm.sqlite"


class PyevmBackend:
    """py-evm in this process. Its blocks are in `home`/pyevm.sqlite."""

    engine: Engine = "pyevm"

    def __init__(self, home: Path) -> None:
        self.home = home
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="evm")
        self._chain: PyevmChain | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._port = 0

    @property
    def rpc_url(self) -> str:
        """Where the chain answers; valid after `start`."""
        return f"http://{HOST}:{self._port}"

    def start(self, port: int) -> None:
        """Opens or creates the chain and serves it. Raises PortInUse, CorruptChain or ChainStartFailed."""
        listener = _listen(port)
        self._port = listener.getsockname()[1]
        try:
            self._chain = self._worker.submit(PyevmChain, self.home / DATABASE_NAME).result()
        except BaseException:
            listener.close()
            raise
        app = create_app(Methods(self._chain), self._worker)
        config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=2, ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="rpc", daemon=True)
        self._thread.start()
        started = threading.Event()
        for _ in range(_START_TIMEOUT_S * 100):
            if self._server.started:
                return
            started.wait(0.01)
        raise ChainStartFailed("the RPC server did not start; see the chain's log")

    def running(self) -> bool:
        """Whether the HTTP thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Stops the HTTP server, then closes the chain."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_STOP_TIMEOUT_S)
        if self._chain is not None:
            self._worker.submit(self._chain.close).result()
        self._worker.shutdown()


def _listen(port: int) -> socket.socket:
    # asyncio disables Nagle only for sockets that name their protocol; with Nagle, every answer waits 40 ms
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise PortInUse.at(port) from error
    listener.listen(128)
    return listener
