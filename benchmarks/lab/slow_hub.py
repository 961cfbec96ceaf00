"""A model hub on loopback, as slow and unreliable as configured. It serves what huggingface_hub's client requests."""

import hashlib
import itertools
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_INFO = re.compile(r"/api/models/(?P<repository>[^/]+/[^/]+)/revision/.+")
_RESOLVE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/[^/]+/(?P<file>.+)")
_CHUNK_BYTES = 1 << 16
_UNAVAILABLE, _MISSING = 503, 404


@dataclass(frozen=True, slots=True)
class NetworkFaults:
    """What goes wrong on the way to the hub.

    latency_s: wait before every answer.   stall_every: every n-th request waits another `stall_s`.
    fail_every: every n-th request is answered with 503.
    """

    latency_s: float = 0.05
    bytes_per_s: float = 100e6
    stall_s: float = 1.0
    stall_every: int = 100
    fail_every: int = 100


@dataclass(slots=True)
class SlowHub:
    """A running hub. repositories: their files by name; every repository has one commit.

    failed, stalled: requests that got a 503, or were made to wait.
    """

    faults: NetworkFaults
    endpoint: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    failed: int = 0
    stalled: int = 0
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def delay(self) -> bool:
        """Wait as long as this request has to. Returns whether it must fail."""
        number = next(self._numbers)
        time.sleep(self.faults.latency_s)
        if number % self.faults.stall_every == 0:
            self.stalled += 1
            time.sleep(self.faults.stall_s)
        fails = number % self.faults.fail_every == self.faults.fail_every // 2
        self.failed += fails
        return fails


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: SlowHub

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        if self.hub.delay():
            return self._head(_UNAVAILABLE, {"Content-Length": "0"})
        path = unquote(urlsplit(self.path).path)
        match = _INFO.fullmatch(path) or _RESOLVE.fullmatch(path)
        files = self.hub.repositories.get(match["repository"]) if match else None
        if match is None or files is None:
            return self._head(_MISSING, {"Content-Length": "0", "X-Error-Code": "RepoNotFound"})
        commit = hashlib.sha1(match["repository"].encode(), usedforsecurity=False).hexdigest()
        if "file" not in match.groupdict():
            siblings = [
                {"rfilename": name, "size": len(body), "blobId": _git_sha1(body)} for name, body in files.items()
            ]
            info = {"id": match["repository"], "sha": commit, "tags": [], "siblings": siblings}
            body, headers = json.dumps(info).encode(), {"Content-Type": "application/json"}
        else:
            body = files[match["file"]]
            headers = {"ETag": f'"{_git_sha1(body)}"', "X-Repo-Commit": commit}
        self._head(200, {**headers, "Content-Length": str(len(body))})
        if with_body:
            self._send(body)

    def _send(self, body: bytes) -> None:
        for start in range(0, len(body), _CHUNK_BYTES):
            part = body[start : start + _CHUNK_BYTES]
            time.sleep(len(part) / self.hub.faults.bytes_per_s)
            self.wfile.write(part)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def slow_hub(faults: NetworkFaults) -> Iterator[SlowHub]:
    """Run a hub without repositories on a free port until the end of the `with` block."""
    hub = SlowHub(faults)
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _git_sha1(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\x00" % len(body) + body, usedforsecurity=False).hexdigest()
