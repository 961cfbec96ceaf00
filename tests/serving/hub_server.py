"""A model hub on loopback: repositories with commits and branches behind the hub's HTTP API, and faults to order.

It speaks what the real huggingface_hub client asks for: model info with file digests, resolve with ETag, commit and
redirect to a content store for large files, and byte ranges.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_INFO = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)(/revision/(?P<revision>.+))?")
_RESOLVE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")
_CONTENT = re.compile(r"/content/(?P<sha256>[0-9a-f]{64})")


@dataclass
class Fault:
    """Something that goes wrong `times` times with requests whose "METHOD path" contains `match`.

    status: answer with it. cut_at: announce the whole body, send this many bytes and hang up. flip: change one byte.
    ignore_range: answer a range request with the whole file.
    """

    match: str
    times: int = 1
    status: int | None = None
    cut_at: int | None = None
    flip: bool = False
    ignore_range: bool = False


@dataclass
class Repository:
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    token: str | None = None


@dataclass
class Hub:
    """What is on the hub. requests: "METHOD path" of everything that was asked. tokens: who got to see a token."""

    endpoint: str = ""
    content_endpoint: str = ""
    tokens: set[str] = field(default_factory=set)
    repositories: dict[str, Repository] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def commit(self, repo: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Push a new state of the repository and return its commit."""
        repository = self.repositories.setdefault(repo, Repository())
        parent = repository.branches.get(branch, "")
        seed = json.dumps([repo, parent, {name: hashlib.sha256(body).hexdigest() for name, body in files.items()}])
        commit = hashlib.sha1(seed.encode()).hexdigest()
        repository.commits[commit] = files
        repository.branches[branch] = commit
        return commit

    def content(self, sha256: str) -> bytes | None:
        bodies = (b for r in self.repositories.values() for files in r.commits.values() for b in files.values())
        return next((body for body in bodies if hashlib.sha256(body).hexdigest() == sha256), None)

    def downloads(self) -> int:
        return sum(request.startswith("GET") and "/api/" not in request for request in self.requests)

    def fault_for(self, request: str, kinds: tuple[str, ...]) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.match in request and any(getattr(fault, kind) for kind in kinds):
                fault.times -= 1
                return fault
        return None


def is_large(name: str) -> bool:
    """Kept by content (LFS), as safetensors are."""
    return name.endswith((".safetensors", ".bin"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        request = f"{self.command} {path}"
        self.hub.requests.append(request)
        if "Authorization" in self.headers:
            self.hub.tokens.add(f"http://{self.headers['Host']}")
        fault = self.hub.fault_for(request, ("status",))
        if fault and fault.status:
            return self._error(fault.status, "")
        if match := _INFO.fullmatch(path):
            return self._info(match["repo"], match["revision"] or "main")
        if match := _RESOLVE.fullmatch(path):
            return self._resolve(match["repo"], match["revision"], match["file"])
        if match := _CONTENT.fullmatch(path):
            body = self.hub.content(match["sha256"])
            return self._error(404, "EntryNotFound") if body is None else self._body(body, {})
        return self._error(404, "RepoNotFound")

    def _commit_of(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        repository = self.hub.repositories.get(repo)
        if repository is None:
            self._error(401, "RepoNotFound")
            return None
        if repository.token and self.headers.get("Authorization") != f"Bearer {repository.token}":
            self._error(401 if self.headers.get("Authorization") is None else 403, "GatedRepo")
            return None
        commit = repository.branches.get(revision, revision)
        if commit not in repository.commits:
            self._error(404, "RevisionNotFound")
            return None
        return commit, repository.commits[commit]

    def _info(self, repo: str, revision: str) -> None:
        if found := self._commit_of(repo, revision):
            commit, files = found
            siblings = [self._sibling(name, body) for name, body in files.items()]
            info = {"id": repo, "modelId": repo, "sha": commit, "private": False, "tags": [], "siblings": siblings}
            self._body(json.dumps(info).encode(), {"Content-Type": "application/json"})

    def _sibling(self, name: str, body: bytes) -> dict[str, object]:
        blob = hashlib.sha1(b"blob %d\x00" % len(body) + body).hexdigest()
        sibling: dict[str, object] = {"rfilename": name, "size": len(body), "blobId": blob}
        if is_large(name):
            sibling["lfs"] = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 132}
        return sibling

    def _resolve(self, repo: str, revision: str, name: str) -> None:
        found = self._commit_of(repo, revision)
        if found is None:
            return
        commit, files = found
        if name not in files:
            return self._error(404, "EntryNotFound", {"X-Repo-Commit": commit})
        body = files[name]
        sha256 = hashlib.sha256(body).hexdigest()
        if is_large(name):
            headers = {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(body)), "X-Repo-Commit": commit}
            return self._head(
                302, {**headers, "Location": f"{self.hub.content_endpoint}/content/{sha256}", "Content-Length": "0"}
            )
        blob = hashlib.sha1(b"blob %d\x00" % len(body) + body).hexdigest()
        return self._body(body, {"ETag": f'"{blob}"', "X-Repo-Commit": commit})

    def _body(self, body: bytes, headers: dict[str, str]) -> None:
        request = f"{self.command} {unquote(urlsplit(self.path).path)}"
        fault = self.hub.fault_for(request, ("cut_at", "flip", "ignore_range")) if self.command == "GET" else None
        if fault and fault.flip:
            body = body[:-1] + bytes([body[-1] ^ 1])
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        status, start = 200, 0
        if asked and not (fault and fault.ignore_range):
            status, start = 206, int(asked[1])
            headers = {**headers, "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
        self._head(status, {**headers, "Content-Length": str(len(body) - start), "Accept-Ranges": "bytes"})
        if self.command == "HEAD":
            return
        if fault and fault.cut_at is not None:
            self.wfile.write(body[start : start + fault.cut_at])
            self.close_connection = True
            return
        self.wfile.write(body[start:])

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _error(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        self._head(status, {**(headers or {}), "Content-Length": "0", **({"X-Error-Code": code} if code else {})})


@contextmanager
def running_hub() -> Iterator[Hub]:
    """An empty hub on a free port of the loopback interface, and its content store on another: as with a real one, the
    client asks the store for large files and must not show it the token."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with serving(handler) as hub.endpoint, serving(handler) as hub.content_endpoint:
        yield hub


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
