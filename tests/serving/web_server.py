"""A plain web server on loopback: files by path with ETags and ranges, redirects, and faults to order."""

import hashlib
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

from tests.serving.hub_server import Fault


@dataclass
class Web:
    """files: path → content. redirects: path → Location. etags: "strong", "weak" or "none"."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    etags: str = "strong"

    def put(self, folder: str, files: dict[str, bytes]) -> str:
        """Serve files in a folder; returns the folder's URL."""
        self.files.update({f"/{folder}/{name}": body for name, body in files.items()})
        return f"{self.url}/{folder}"

    def fault_for(self, request: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.match in request:
                fault.times -= 1
                return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: Web

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        asked = self.headers.get("Range", "")
        self.web.requests.append(f"{self.command} {path} {asked}".strip())
        fault = self.web.fault_for(f"{self.command} {path}")
        if fault and fault.status:
            return self._head(fault.status, {"Content-Length": "0"})
        if path in self.web.redirects:
            return self._head(302, {"Location": self.web.redirects[path], "Content-Length": "0"})
        if path not in self.web.files:
            return self._head(404, {"Content-Length": "0"})
        return self._body(self.web.files[path], asked, fault)

    def _body(self, body: bytes, asked: str, fault: Fault | None) -> None:
        headers = self._etag(body)
        range_match = re.fullmatch(r"bytes=(\d+)-", asked)
        start = 0
        if range_match and self.headers.get("If-Range") == headers.get("ETag") and not (fault and fault.ignore_range):
            start = int(range_match[1])
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        self._head(206 if start else 200, {**headers, "Content-Length": str(len(body) - start)})
        if self.command == "HEAD":
            return
        if fault and fault.cut_at is not None:
            self.wfile.write(body[start : start + fault.cut_at])
            self.close_connection = True
            return
        self.wfile.write(body[start:])

    def _etag(self, body: bytes) -> dict[str, str]:
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        return {"strong": {"ETag": etag}, "weak": {"ETag": f"W/{etag}"}, "none": {}}[self.web.etags]

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def running_web(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """An empty server on a free port of the loopback interface, called `host` in its URL."""
    web = Web()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"web": web}))
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    web.url = f"{'https' if tls else 'http'}://{host}:{server.server_address[1]}"
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
