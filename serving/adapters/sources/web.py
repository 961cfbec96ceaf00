"""Adapters from a folder on a web server: `https://host/path/to/folder`, which has the files under their PEFT names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from serving.adapters.sources.allowed import AllowedSources
from serving.adapters.sources.objects import REVISION, Objects
from serving.adapters.sources.source import ListedFile, Pinned, Progress, SourceSettings
from serving.adapters.sources.transfer import RETRY_AFTER_S
from serving.adapters.sources.web_address import WebAddress
from serving.errors import SourceRefused, SourceUnavailable

if TYPE_CHECKING:
    from httpx2 import Response

    from serving.adapters.sources.web_client import WebClient

_SPELLING = re.compile(r"(?P<folder>[^#]+)" + REVISION)


@dataclass(frozen=True, slots=True)
class WebSource:
    """A folder and, after '#', an optional version. Web servers list nothing, so HEAD finds out which files exist."""

    remote: ClassVar[bool] = True
    uri: str
    folder: WebAddress
    revision: str | None
    allowed: AllowedSources
    settings: SourceSettings

    @classmethod
    def parse(cls, uri: str, allowed: AllowedSources, settings: SourceSettings) -> "WebSource":
        """The source that `uri` names. Raises SourceRefused: malformed, or not allowed."""
        match = _SPELLING.fullmatch(uri)
        folder = WebAddress.parse(match["folder"]) if match else None
        if match is None or folder is None:
            raise SourceRefused(
                uri, "write https://host/path/of/the/folder, without user, query, '..' or anything after '#'"
            )
        allowed.check_web(uri, folder)
        return cls(uri, folder, match["revision"], allowed, settings)

    def resolve(self) -> Pinned:
        """The version that is in the folder now. See `Objects.resolve`."""
        with self._client() as client:
            return self._objects().resolve(lambda name: self._look(client, name))

    def fetch(self, pinned: Pinned, folder: Path, on_progress: Progress) -> None:
        """Downloads the files of `pinned` into `folder`. See `Objects.fetch`."""
        with self._client() as client:

            def read(file: ListedFile, start: int) -> Iterator[bytes]:
                return self._read(client, file, start)

            self._objects().fetch(pinned, folder, read, on_progress)

    def verify(self, pinned: Pinned, folder: Path) -> None:
        """Raises AdapterCorrupt if a file in `folder` has not the announced size."""
        pinned.verify(folder, self.uri)

    def _objects(self) -> Objects:
        return Objects(self.uri, str(self.folder), self.revision, self.settings)

    def _client(self) -> "WebClient":
        from serving.adapters.sources.web_client import WebClient

        return WebClient(self.uri, self.allowed, self.settings.timeout_s)

    def _look(self, client: "WebClient", name: str) -> ListedFile | None:
        with client.request("HEAD", f"{self.folder}/{name}", {}) as response:
            if response.status_code in (404, 410):
                return None
            self._check_status(response)
            length = response.headers.get("Content-Length", "")
            if not length.isdecimal():
                raise SourceRefused(self.uri, f"the server does not send the size of {name} (Content-Length)")
            return ListedFile(name, int(length), etag=_strong_etag(response))

    def _read(self, client: "WebClient", file: ListedFile, start: int) -> Iterator[bytes]:
        headers = {"Range": f"bytes={start}-", "If-Range": file.etag} if start and file.etag else {}
        with client.request("GET", f"{self.folder}/{file.name}", headers) as response:
            self._check_status(response)
            if _strong_etag(response) != file.etag:
                raise SourceUnavailable(self.uri, f"{file.name} changed during the download", RETRY_AFTER_S)
            skipped_bytes = start
            if response.status_code == 206:
                if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                    raise SourceRefused(self.uri, "the server sends another range than was requested")
                skipped_bytes = 0
            for chunk in response.iter_raw():
                yield chunk[skipped_bytes:]
                skipped_bytes = max(0, skipped_bytes - len(chunk))

    def _check_status(self, response: "Response") -> None:
        status = response.status_code
        if status in (200, 206):
            return
        if status == 429 or status >= 500:
            wait = response.headers.get("Retry-After", "")
            wait_s = float(wait) if wait.isdecimal() else RETRY_AFTER_S
            raise SourceUnavailable(self.uri, f"the server says {status}; try again later", wait_s)
        raise SourceRefused(self.uri, f"the server says {status}; it must serve the folder's files without login")


def _strong_etag(response: "Response") -> str | None:
    """The ETag if it is strong. A weak one may stay the same when bytes change (RFC 9110 section 8.8.1)."""
    etag: str = response.headers.get("ETag", "")
    return etag if re.fullmatch(r'"[\x21\x23-\x7e]{1,200}"', etag) else None
