"""What sources share that cannot be listed and name no digests: files are asked for by name and pinned by ETag."""

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
"""How a spelling ends that means one version only: with what `Objects.resolve` once called it."""

_PICKLED_WEIGHTS = "adapter_model.bin"

Look = Callable[[str], ListedFile | None]
"""What lies at the source under a name; None for nothing."""

Read = Callable[[ListedFile, int], Iterator[bytes]]
"""The content of a file from a byte on. Raises SourceUnavailable if it is not the announced content any more."""


@dataclass(frozen=True, slots=True)
class Objects:
    """The files of one adapter at `place`, and which version of it is meant, if one is."""

    spelled: str
    place: str
    revision: str | None
    settings: SourceSettings

    def resolve(self, look: Look) -> Pinned:
        """What lies there now, pinned by one digest over all ETags.

        Only strong ETags pin: without them the version has no name of its own, and is fetched each time it is asked
        for. Raises SourceRefused if `revision` is given and another version lies there.
        """

        def found(name: str) -> ListedFile | None:
            return with_retries(self.settings, lambda: look(name))

        files = [file for name in ADAPTER_FILES if (file := found(name)) is not None]
        if all(file.name != WEIGHTS_FILE for file in files) and (pickled := found(_PICKLED_WEIGHTS)):
            files.append(pickled)  # so that the refusal says what is wrong with it
        chosen = choose_files(self.spelled, files, self.settings)
        pin = _pin(chosen)
        if self.revision is not None and pin != self.revision:
            raise SourceRefused(self.spelled, f"another version lies there now: {pin or 'one without strong ETags'}")
        return Pinned(f"{self.place}#{pin}" if pin else self.place, chosen, immutable=pin is not None)

    def fetch(self, pinned: Pinned, folder: Path, read: Read, on_progress: Progress) -> None:
        """Bring all files, each going on where an earlier try broke off; none has its name before all are whole."""
        promised_bytes = sum(file.nbytes or 0 for file in pinned.files)
        transfer = Transfer(self.spelled, promised_bytes, self.settings, on_progress)
        for file in pinned.files:
            ask = partial(_fetch, self.spelled, file, _arriving(file, folder), read, transfer)
            with_retries(self.settings, ask)
        for file in pinned.files:
            _arriving(file, folder).replace(folder / file.name)
        on_progress(1.0)


def _fetch(spelled: str, file: ListedFile, path: Path, read: Read, transfer: Transfer) -> None:
    promised_bytes = file.nbytes or 0
    try:
        with path.open("ab" if file.etag else "wb") as out:  # without an ETag, what lies there may be of another
            start = out.tell()
            for chunk in read(file, start) if start < promised_bytes else ():
                transfer.received(len(chunk))
                out.write(chunk)
                if out.tell() > promised_bytes:
                    out.truncate(0)
                    raise SourceUnavailable(spelled, f"it sends more of {file.name} than it announced", RETRY_AFTER_S)
            arrived_bytes = out.tell()
    except OSError as error:
        raise storage_failed(path, error) from error
    if arrived_bytes < promised_bytes:
        raise SourceUnavailable(spelled, f"{file.name} broke off after {arrived_bytes} bytes", RETRY_AFTER_S)


def _arriving(file: ListedFile, folder: Path) -> Path:
    """Where a file arrives: under its ETag too, so that two contents are never joined to one."""
    tag = hashlib.sha256(f"{file.etag}\n{file.version_id}".encode()).hexdigest()[:16]
    return folder / f"{file.name}.{tag}"


def _pin(files: tuple[ListedFile, ...]) -> str | None:
    if any(file.etag is None for file in files):
        return None
    lines = "".join(f"{file.name} {file.nbytes} {file.etag} {file.version_id or ''}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()
