"""Adapters from folders on this machine: `file:/path/to/folder`."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from serving.adapters.digests import ADAPTER_FILES
from serving.adapters.durable import storage_failed
from serving.adapters.sources.allowed import AllowedSources
from serving.adapters.sources.source import ListedFile, Pinned, Progress, SourceSettings, choose_files, too_large
from serving.errors import AdapterCorrupt, SourceRefused, SourceUnavailable

_CHUNK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class FileSource:
    """A folder below one of the allowed ones; no symbolic link leads out of them. It may change, so it is copied."""

    remote: ClassVar[bool] = False
    spelled: str
    folder: Path
    allowed: AllowedSources
    settings: SourceSettings

    @classmethod
    def parse(cls, spelled: str, rest: str, allowed: AllowedSources, settings: SourceSettings) -> "FileSource":
        """Raises SourceRefused: `..` in the path, or a place outside the allowed folders, whether it exists or not."""
        path = Path(rest.removeprefix("//") if rest.startswith("///") else rest).expanduser()
        if not rest or ".." in path.parts:
            raise SourceRefused(spelled, "write the plain path of the adapter's folder, without '..'")
        folder = path.resolve()
        allowed.check_file(spelled, folder)
        return cls(spelled, folder, allowed, settings)

    def resolve(self) -> Pinned:
        if not self.folder.is_dir():
            raise SourceUnavailable(self.spelled, "there is no such folder; it must hold adapter_config.json")
        try:
            names = os.listdir(self.folder)
            listed = [self._listed(name) if name in ADAPTER_FILES else ListedFile(name) for name in names]
        except OSError as error:
            raise SourceUnavailable(self.spelled, f"the folder cannot be read: {error.strerror}") from error
        return Pinned(f"file:{self.folder}", choose_files(self.spelled, listed, self.settings), immutable=False)

    def fetch(self, pinned: Pinned, folder: Path, on_progress: Progress) -> None:
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
        for file in pinned.files:
            file.verify(folder, self.spelled)

    def _listed(self, name: str) -> ListedFile:
        return ListedFile(name, (self.folder / name).stat().st_size)

    def _read(self, file: ListedFile) -> Iterator[bytes]:
        """The content of a file that lies inside the allowed folders once all links are followed."""
        path = (self.folder / file.name).resolve()
        self.allowed.check_file(self.spelled, path)
        limit = self.settings.max_bytes(file.name)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # never waits on a named pipe
        except OSError as error:
            raise SourceUnavailable(self.spelled, f"{file.name} cannot be read: {error.strerror}") from error
        with os.fdopen(descriptor, "rb") as content:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise AdapterCorrupt(self.spelled, file.name, "it is not a regular file")
            read_bytes = 0
            while chunk := content.read(_CHUNK_BYTES):
                read_bytes += len(chunk)
                if read_bytes > limit:
                    raise too_large(self.spelled, file.name, self.settings)
                yield chunk
