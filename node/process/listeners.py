"""uvicorn servers on sockets that are bound before anything slow begins."""

import asyncio
import contextlib
import errno
import math
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from node.process.connections import Connections
from node.process.http_connection import BoundedConfig, BoundedConnection


class PortInUse(Exception):
    """Another process listens on the port."""

    def __init__(self, host: str, port: int, flag: str) -> None:
        owner = _owner(port)
        who = f" by {owner}" if owner else ""
        super().__init__(f"Port {port} on {host} is in use{who}. Choose another: {flag} {_free_port(host)}")
        self.host, self.port = host, port


class AddressUnusable(Exception):
    """The host is not an address of this machine, or the port needs rights this process lacks."""


def bind(host: str, port: int, flag: str) -> socket.socket:
    """A bound socket that does not listen yet. Port 0 takes any free port. Raises PortInUse or AddressUnusable."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressUnusable(f"{host} is not an address to listen on: {error.strerror or error}") from error
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        if error.errno != errno.EADDRINUSE:
            raise AddressUnusable(f"{host}:{port} cannot be bound: {error.strerror}") from error
        raise PortInUse(host, port, flag) from error
    return bound


def url_of(bound: socket.socket) -> str:
    """The http URL of a bound socket; IPv6 addresses in brackets."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Listener(uvicorn.Server):
    """A uvicorn server on a bound socket that does not handle signals."""

    def __init__(self, app: ASGIApp, bound: socket.socket, connections: Connections, backlog: int) -> None:
        """connections: the register that bounds them. backlog: connections that the kernel queues."""
        config = BoundedConfig(
            app,
            http=BoundedConnection,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            backlog=backlog,
            timeout_keep_alive=math.ceil(connections.patience.idle_s),
            timeout_graceful_shutdown=5,
            server_header=False,
        )
        config.connections = connections
        super().__init__(config)
        self._bound = bound
        self._answers = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to listen and then lets `open` continue."""
        await super().startup(sockets)
        self._answers.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Does nothing: the node handles SIGINT and SIGTERM itself."""
        yield

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Serves while the block runs, then waits up to 5 seconds for responses in progress."""
        serving = asyncio.create_task(self.serve([self._bound]), name=f"listen-{url_of(self._bound)}")
        await asyncio.wait({serving, asyncio.create_task(self._answers.wait())}, return_when=asyncio.FIRST_COMPLETED)
        try:
            yield
        finally:
            self.should_exit = True
            await serving


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host if host != "0.0.0.0" else "", 0))
        port: int = probe.getsockname()[1]
        return port


def _owner(port: int) -> str | None:
    """The process of this user that listens on `port`, such as "pid 42 (python)". None if unknown or not on Linux."""
    inodes = set(_listening_inodes(port))
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # the process ended, or belongs to another user
            if any(_target(link) in inodes for link in (folder / "fd").iterdir()):
                return f"pid {folder.name} ({(folder / 'comm').read_text().strip()})"
    return None


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed meanwhile
        return ""


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == "0A" and int(columns[1].rsplit(":", 1)[1], 16) == port:
                    yield f"socket:[{columns[9]}]"
