"""The seam of adapter sources: resolve, fetch, verify, in this order. The store publishes what passed."""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from serving.adapters.digests import ADAPTER_FILES, CONFIG_FILE, TEMPLATE_FILE, WEIGHTS_FILE
from serving.errors import AdapterCorrupt, SourceRefused

Progress = Callable[[float], None]
"""Called with the fraction done, 0 to 1, possibly from another thread."""

_PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Bounds on bytes, time and attempts of a source. An endpoint of None means the client's own default."""

    hub_endpoint: str | None = None
    hub_token: str | None = None
    s3_endpoint: str | None = None
    weights_bytes: int = 4 << 30
    small_file_bytes: int = 256 << 10
    timeout_s: float = 10.0
    download_s: float = 1800.0
    attempts: int = 3
    pause_s: float = 0.5

    def max_bytes(self, name: str) -> int:
        """The largest size in bytes that the file `name` may have."""
        return self.weights_bytes if name == WEIGHTS_FILE else self.small_file_bytes


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file as its source announces it; a field is None if the source does not give it.

    git_sha1: a hub gives it for small files, in place of sha256. etag: a strong ETag, which changes with the content.
    version_id: the content's id in a versioned bucket.
    """

    name: str
    nbytes: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None
    etag: str | None = None
    version_id: str | None = None

    def verify(self, folder: Path, adapter: str) -> None:
        """Raises AdapterCorrupt if the file in `folder` is not the announced one."""
        content = folder / self.name
        if not content.is_file():
            raise AdapterCorrupt(adapter, self.name, "it did not arrive; try again")
        nbytes = content.stat().st_size
        if self.nbytes is not None and nbytes != self.nbytes:
            raise AdapterCorrupt(adapter, self.name, f"{nbytes} bytes arrived instead of {self.nbytes}; try again")
        with content.open("rb") as file:
            if self.sha256 is not None and hashlib.file_digest(file, "sha256").hexdigest() != self.sha256:
                raise AdapterCorrupt(adapter, self.name, f"its sha256 is not {self.sha256}, as the source promised")
        if self.git_sha1 is not None and self.sha256 is None:
            body = content.read_bytes()
            blob = hashlib.sha1(b"blob %d\x00" % len(body) + body, usedforsecurity=False).hexdigest()
            if blob != self.git_sha1:
                raise AdapterCorrupt(adapter, self.name, f"its git hash is not {self.git_sha1}, as the source promised")


@dataclass(frozen=True, slots=True)
class Pinned:
    """A source resolved to one version. If `immutable`, the string `source` always means this version."""

    source: str
    files: tuple[ListedFile, ...]
    immutable: bool

    def verify(self, folder: Path, adapter: str) -> None:
        """Raises AdapterCorrupt if a file in `folder` is not as announced. adapter: the name for errors."""
        for file in self.files:
            file.verify(folder, adapter)


class Source(Protocol):
    """A place that an adapter comes from. Every method blocks; call it from a loader thread.

    remote: requests cost time and load somebody's server, so the store backs off after failures.

    All methods raise SourceUnavailable (a retry may help), SourceRefused (a retry cannot help) or AdapterCorrupt.
    """

    remote: ClassVar[bool]

    def resolve(self) -> Pinned:
        """The version that the source means now, and its files. A branch becomes a commit."""
        ...

    def fetch(self, pinned: Pinned, folder: Path, on_progress: Progress) -> None:
        """Brings the files of `pinned` into `folder`, which may hold parts of an interrupted fetch."""
        ...

    def verify(self, pinned: Pinned, folder: Path) -> None:
        """Raises AdapterCorrupt if the files in `folder` are not those that `resolve` announced."""
        ...


def choose_files(source: str, listed: Collection[ListedFile], settings: SourceSettings) -> tuple[ListedFile, ...]:
    """The files of an adapter among all those at a source, within the size limits.

    Raises AdapterCorrupt (config or weights missing), SourceRefused (only pickled weights, or too large).
    """
    by_name = {file.name: file for file in listed}
    if WEIGHTS_FILE not in by_name:
        pickled = sorted(name for name in by_name if name.endswith(_PICKLE_SUFFIXES))
        if pickled:
            raise SourceRefused(
                source,
                f"its weights are a pickle ({pickled[0]!r:.100}), which can run code; save the adapter again with "
                "save_pretrained, which writes safetensors",
            )
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if name not in by_name:
            raise AdapterCorrupt(
                source, name, "it is missing; an adapter needs both adapter_config.json and adapter_model.safetensors"
            )
    chosen = tuple(by_name[name] for name in (CONFIG_FILE, TEMPLATE_FILE, WEIGHTS_FILE) if name in by_name)
    assert {file.name for file in chosen} <= set(ADAPTER_FILES)
    for file in chosen:
        if file.nbytes is not None and file.nbytes > settings.max_bytes(file.name):
            raise too_large(source, file.name, settings)
    return chosen


def too_large(source: str, name: str, settings: SourceSettings) -> SourceRefused:
    """The error for a file above `settings.max_bytes`."""
    return SourceRefused(source, f"{name} is larger than the {settings.max_bytes(name)} bytes that this node accepts")
