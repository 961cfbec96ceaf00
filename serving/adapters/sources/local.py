"""Adapters from folders on this machine: `file:/path/to/folder`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from serving.adapters.digests import ADAPTER_FILES
from serving.adapters.durable import storage_failed
from serving.adapters.sources.allowed import AllowedSources
from serving.adapters.sources.contained import ContainedFolder, LinkLeavesFolder, NotRegularFile
from serving.adapters.sources.source import ListedFile, Pinned, Progress, SourceSettings, choose_files, too_large
from serving.errors import AdapterCorrupt, SourceRefused, SourceUnavailable

_CHUNK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class FileSource:
    """A folder below an allowed one. Its files may be links only as `ContainedFolder` allows.

    The folder may change at any time, so its files are copied.
    """

    remote: ClassVar[bool] = False
    uri: str
    folder: Path
    allowed: AllowedSources
    settings: SourceSettings

    @classmethod
    def parse(cls, uri: str, rest: str, allowed: AllowedSources, settings: SourceSettings) -> "FileSource":
        """Raises SourceRefused: `..` in the path, or a path outside the allowed folders, whether it exists or not."""
        path = Path(rest.removeprefix("//") if rest.startswith("///") else rest)
        if not rest or ".." in path.parts:
            raise SourceRefused(uri, "write the plain path of the adapter's folder, without '..'")
        folder = Path(os.path.realpath(os.path.expanduser(path)))
        allowed.check_file(uri, folder)
        return cls(uri, folder, allowed, settings)

    def resolve(self) -> Pinned:
        """The version that is in the folder now. Raises SourceUnavailable, SourceRefused, AdapterCorrupt."""
        try:
            names = os.listdir(self.folder)
        except NotADirectoryError as error:
            problem = "it is a file; give the folder that holds adapter_config.json"
            raise SourceUnavailable(self.uri, problem) from error
        except FileNotFoundError as error:
            problem = "there is no such folder; it must hold adapter_config.json"
            raise SourceUnavailable(self.uri, problem) from error
        except OSError as error:
            raise SourceUnavailable(self.uri, f"the folder cannot be read: {error.strerror}") from error
        listed = [self._listed(name) if name in ADAPTER_FILES else ListedFile(name) for name in names]
        return Pinned(f"file:{self.folder}", choose_files(self.uri, listed, self.settings), immutable=False)

    def fetch(self, pinned: Pinned, folder: Path, on_progress: Progress) -> None:
        """Copies the files of `pinned` into `folder`. Raises as `resolve` does, and StorageFailed."""
        total_bytes = sum(file.nbytes or 0 for file in pinned.files) or 1
        copied_bytes = 0
        for file in pinned.files:
            target = folder / file.name
            try:
                with target.open("wb") as out:
                    for chunk in self._read(file):
                        out.write(chunk)
                        copied_bytes += len(chunk)
                        on_progress(min(1.0, copied_bytes / total_bytes))
            except OSError as error:
                raise storage_failed(target, error) from error

    def verify(self, pinned: Pinned, folder: Path) -> None:
        """Raises AdapterCorrupt if a file in `folder` is not the one that `pinned` announced."""
        pinned.verify(folder, self.uri)

    def _listed(self, name: str) -> ListedFile:
        with self._reading(name):
            self.allowed.check_file(self.uri, Path(os.path.realpath(self.folder / name)))
            return ListedFile(name, self._contained.size(name))

    def _read(self, file: ListedFile) -> Iterator[bytes]:
        """The content of a file of the folder. Never raises OSError, which would mean the disk that is written to."""
        limit = self.settings.max_bytes(file.name)
        with self._reading(file.name):
            self.allowed.check_file(self.uri, Path(os.path.realpath(self.folder / file.name)))
            content = self._contained.open(file.name)
        with content:
            read_bytes = 0
            while True:
                with self._reading(file.name):
                    chunk = content.read(_CHUNK_BYTES)
                if not chunk:
                    return
                read_bytes += len(chunk)
                if read_bytes > limit:
                    raise too_large(self.uri, file.name, self.settings)
                yield chunk

    @property
    def _contained(self) -> ContainedFolder:
        return ContainedFolder(self.folder)

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        """Turns what reading `name` raises into errors that name the file and what to do."""
        try:
            yield
        except LinkLeavesFolder as error:
            problem = f"{name} leads out of the adapter's folder, as a link; copy the file itself into the folder"
            raise SourceRefused(self.uri, problem) from error
        except NotRegularFile as error:
            raise AdapterCorrupt(self.uri, name, str(error)) from error
        except OSError as error:
            raise SourceUnavailable(self.uri, f"{name} cannot be read: {error.strerror}") from error
