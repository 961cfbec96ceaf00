"""Adapters from servers that list no files and publish no digests: files are requested by name and pinned by ETag."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from serving.adapters.digests import ADAPTER_FILES, WEIGHTS_FILE
from serving.adapters.durable import storage_failed
from serving.adapters.sources.source import ListedFile, Pinned, Progress, SourceSettings, choose_files
from serving.adapters.sources.transfer import RETRY_AFTER_S, Transfer, with_retries
from serving.errors import SourceRefused, SourceUnavailable

REVISION = r"(#(?P<revision>[0-9a-f]{64}))?"
"""The optional end of a source that means one version only: the revision that `Objects.resolve` returned."""

_PICKLED_WEIGHTS = "adapter_model.bin"

Look = Callable[[str], ListedFile | None]
"""File name → what the source has under it; None if there is no such file."""

Read = Callable[[ListedFile, int], Iterator[bytes]]
"""(file, start) → its content from byte `start` on. Raises SourceUnavailable if the content has changed since."""


@dataclass(frozen=True, slots=True)
class Objects:
    """The files of one adapter at the address `place`. revision: the only version that is accepted, or None."""

    uri: str
    place: str
    revision: str | None
    settings: SourceSettings

    def resolve(self, look: Look) -> Pinned:
        """The version at the source now, pinned by one digest over all ETags.

        Only strong ETags pin a version. Without them it has no immutable name and is fetched each time it is added.
        Raises SourceRefused if `revision` is given and the source has another version.
        """

        def listed(name: str) -> ListedFile | None:
            return with_retries(self.settings, lambda: look(name))

        files = [file for name in ADAPTER_FILES if (file := listed(name)) is not None]
        if all(file.name != WEIGHTS_FILE for file in files) and (pickled := listed(_PICKLED_WEIGHTS)):
            files.append(pickled)  # so that the refusal names the pickle
        chosen = choose_files(self.uri, files, self.settings)
        pin = _pin(chosen)
        if self.revision is not None and pin != self.revision:
            raise SourceRefused(self.uri, f"it has another version now: {pin or 'one without strong ETags'}")
        return Pinned(f"{self.place}#{pin}" if pin else self.place, chosen, immutable=pin is not None)

    def fetch(self, pinned: Pinned, folder: Path, read: Read, on_progress: Progress) -> None:
        """Downloads all files, resuming earlier attempts. They are renamed when all are complete."""
        promised_bytes = sum(file.nbytes or 0 for file in pinned.files)
        transfer = Transfer(self.uri, promised_bytes, self.settings, on_progress)
        for file in pinned.files:
            attempt = partial(_fetch, self.uri, file, _partial(file, folder), read, transfer)
            with_retries(self.settings, attempt)
        for file in pinned.files:
            _partial(file, folder).replace(folder / file.name)
        on_progress(1.0)


def _fetch(uri: str, file: ListedFile, path: Path, read: Read, transfer: Transfer) -> None:
    promised_bytes = file.nbytes or 0
    try:
        resumable = file.etag is not None  # without an ETag, the partial file may belong to another content
        with path.open("ab" if resumable else "wb") as out:
            start = out.tell()
            for chunk in read(file, start) if start < promised_bytes else ():
                transfer.received(len(chunk))
                out.write(chunk)
                if out.tell() > promised_bytes:
                    out.truncate(0)
                    raise SourceUnavailable(uri, f"{file.name} is longer than announced", RETRY_AFTER_S)
            arrived_bytes = out.tell()
    except OSError as error:
        raise storage_failed(path, error) from error
    if arrived_bytes < promised_bytes:
        raise SourceUnavailable(uri, f"{file.name} broke off after {arrived_bytes} bytes", RETRY_AFTER_S)


def _partial(file: ListedFile, folder: Path) -> Path:
    """The path of a file during its download. It contains the ETag, so that two contents are never joined."""
    tag = hashlib.sha256(f"{file.etag}\n{file.version_id}".encode()).hexdigest()[:16]
    return folder / f"{file.name}.{tag}"


def _pin(files: tuple[ListedFile, ...]) -> str | None:
    if any(file.etag is None for file in files):
        return None
    lines = "".join(f"{file.name} {file.nbytes} {file.etag} {file.version_id or ''}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()
