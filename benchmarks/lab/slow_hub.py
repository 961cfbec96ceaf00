"""A model hub on loopback that is as slow and unreliable as told; it speaks what the hub's own client asks for."""

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
class Weather:
    """latency_s: before every answer.   stall_every, fail_every: requests of which one waits longer, or gets a 503."""

    latency_s: float = 0.05
    bytes_per_s: float = 100e6
    stall_s: float = 1.0
    stall_every: int = 100
    fail_every: int = 100


@dataclass(slots=True)
class SlowHub:
    """repositories: the files of each by name; every repository has one commit."""

    weather: Weather
    endpoint: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    failed: int = 0
    stalled: int = 0
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def delays_or_fails(self) -> bool:
        """Waits as the weather has it; whether this request is to fail."""
        number = next(self._numbers)
        time.sleep(self.weather.latency_s)
        if number % self.weather.stall_every == 0:
            self.stalled += 1
            time.sleep(self.weather.stall_s)
        fails = number % self.weather.fail_every == self.weather.fail_every // 2
        self.failed += fails
        return fails


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: SlowHub

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        if self.hub.delays_or_fails():
            return self._head(_UNAVAILABLE, {"Content-Length": "0"})
        path = unquote(urlsplit(self.path).path)
        found = _INFO.fullmatch(path) or _RESOLVE.fullmatch(path)
        files = self.hub.repositories.get(found["repository"]) if found else None
        if found is None or files is None:
            return self._head(_MISSING, {"Content-Length": "0", "X-Error-Code": "RepoNotFound"})
        commit = hashlib.sha1(found["repository"].encode(), usedforsecurity=False).hexdigest()
        if "file" not in found.groupdict():
            siblings = [
                {"rfilename": name, "size": len(body), "blobId": _git_sha1(body)} for name, body in files.items()
            ]
            info = {"id": found["repository"], "sha": commit, "tags": [], "siblings": siblings}
            body, headers = json.dumps(info).encode(), {"Content-Type": "application/json"}
        else:
            body = files[found["file"]]
            headers = {"ETag": f'"{_git_sha1(body)}"', "X-Repo-Commit": commit}
        self._head(200, {**headers, "Content-Length": str(len(body))})
        if with_body:
            self._send(body)

    def _send(self, body: bytes) -> None:
        for start in range(0, len(body), _CHUNK_BYTES):
            part = body[start : start + _CHUNK_BYTES]
            time.sleep(len(part) / self.hub.weather.bytes_per_s)
            self.wfile.write(part)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def slow_hub(weather: Weather) -> Iterator[SlowHub]:
    """A hub without repositories, on a free port, until the end of the body."""
    hub = SlowHub(weather)
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
