"""What every adapter source can do: resolve, fetch, verify, in this order. The store publishes what passed."""

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
    """Bounds on what a source may send and how long it may take. An endpoint of None is its client's own default."""

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
        return self.weights_bytes if name == WEIGHTS_FILE else self.small_file_bytes


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file as its source announces it. sha256, or git_sha1 for small files on a hub, if the source tells them.

    etag: a strong one, which changes with the content. version_id: what a versioned bucket calls the content.
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
    """A source resolved to exactly one version. `source` names it for good if `immutable`."""

    source: str
    files: tuple[ListedFile, ...]
    immutable: bool


class Source(Protocol):
    """One place an adapter comes from. Every method blocks; call it from a loader thread.

    remote: asking costs time and may annoy somebody, so failures are followed by a pause.

    All raise SourceUnavailable (worth trying again), SourceRefused (not worth it) or AdapterCorrupt.
    """

    remote: ClassVar[bool]

    def resolve(self) -> Pinned:
        """Which version this is now, and its files: a branch becomes a commit."""
        ...

    def fetch(self, pinned: Pinned, folder: Path, on_progress: Progress) -> None:
        """Bring the files of `pinned` into `folder`, which may hold what an interrupted fetch left."""
        ...

    def verify(self, pinned: Pinned, folder: Path) -> None:
        """Check that what lies in `folder` is what `resolve` promised."""
        ...


def choose_files(source: str, listed: Collection[ListedFile], settings: SourceSettings) -> tuple[ListedFile, ...]:
    """The files that make up an adapter, of all those at a source, within the size caps.

    Raises AdapterCorrupt (config or weights missing), SourceRefused (only pickled weights, or too large).
    """
    found = {file.name: file for file in listed}
    if WEIGHTS_FILE not in found:
        pickled = sorted(name for name in found if name.endswith(_PICKLE_SUFFIXES))
        if pickled:
            raise SourceRefused(
                source,
                f"its weights are a pickle ({pickled[0]!r:.100}), which can run code; save the adapter again with "
                "save_pretrained, which writes safetensors",
            )
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if name not in found:
            raise AdapterCorrupt(source, name, "it is missing; both it and the other file of a PEFT adapter are needed")
    chosen = tuple(found[name] for name in (CONFIG_FILE, TEMPLATE_FILE, WEIGHTS_FILE) if name in found)
    assert {file.name for file in chosen} <= set(ADAPTER_FILES)
    for file in chosen:
        if file.nbytes is not None and file.nbytes > settings.max_bytes(file.name):
            raise too_large(source, file.name, settings)
    return chosen


def too_large(source: str, name: str, settings: SourceSettings) -> SourceRefused:
    return SourceRefused(source, f"{name} is larger than the {settings.max_bytes(name)} bytes this node takes")
