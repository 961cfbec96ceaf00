"""The adapter index on disk: a snapshot, and a log with one synced line for each change since.

index.json   the snapshot of generation g, replaced whole
index.log    `crc32 {"generation": g}`, then one line `crc32 {change}` for each change since

A change costs its own size, not that of the index. When the log has grown long, a snapshot of generation g + 1 is
written and a new log begins. A log with an earlier generation than the snapshot is already part of the snapshot.
"""

import json
import os
import zlib
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from serving.adapters.durable import storage_failed, write_whole
from serving.adapters.index import Entry, Index, Ingested
from serving.errors import StorageFailed
from serving.types import AdapterDigest

_LEAST_CHANGES = 1000


class Draft:
    """A mutable index for replaying a log: each change costs the same however long the index is."""

    def __init__(self, index: Index) -> None:
        """index: the snapshot, which is copied."""
        self.names, self.versions = dict(index.names), dict(index.versions)
        self.of_name: dict[str, set[AdapterDigest]] = {}
        for digest, entry in self.versions.items():
            for name in entry.names:
                self.of_name.setdefault(name, set()).add(digest)

    def drop_name(self, digest: AdapterDigest, name: str) -> None:
        """The version loses a name, and is dropped with its last name."""
        entry = self.versions[digest]
        left = tuple(each for each in entry.names if each != name)
        self.versions[digest] = entry.model_copy(update={"names": left})
        if not left:
            del self.versions[digest]


class Named(BaseModel):
    """`name` means `digest` from now on. entry: its source as of then, without the names it had before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["named"] = "named"
    name: str
    digest: AdapterDigest
    entry: Entry

    def to(self, index: Index) -> Index:
        """The index after this change."""
        return index.with_name(self.name, self.digest, self.entry)

    def replay(self, draft: Draft) -> None:
        """Applies this change to a draft in place."""
        known = draft.versions.pop(self.digest, None)  # to re-insert it as the newest
        names = tuple(sorted({self.name, *(known.names if known else ())}))
        draft.versions[self.digest] = self.entry.model_copy(update={"names": names})
        draft.names[self.name] = self.digest
        draft.of_name.setdefault(self.name, set()).add(self.digest)


class Unnamed(BaseModel):
    """`name` means nothing any more. Versions that no other name means or meant are dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["unnamed"] = "unnamed"
    name: str

    def to(self, index: Index) -> Index:
        """The index after this change."""
        return index.without_name(self.name)

    def replay(self, draft: Draft) -> None:
        """Applies this change to a draft in place."""
        draft.names.pop(self.name, None)
        for digest in draft.of_name.pop(self.name, ()):
            draft.drop_name(digest, self.name)


class Retired(BaseModel):
    """`name` forgets these earlier versions. Those that no other name means or meant are dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["retired"] = "retired"
    name: str
    digests: tuple[AdapterDigest, ...]

    def to(self, index: Index) -> Index:
        """The index after this change."""
        return index.without_versions(self.name, self.digests)

    def replay(self, draft: Draft) -> None:
        """Applies this change to a draft in place."""
        for digest in self.digests:
            draft.of_name[self.name].discard(digest)
            draft.drop_name(digest, self.name)


class Reingested(BaseModel):
    """Some versions were ingested again, to other blobs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["reingested"] = "reingested"
    blobs: dict[AdapterDigest, Ingested]

    def to(self, index: Index) -> Index:
        """The index after this change."""
        return index.with_ingested(self.blobs)

    def replay(self, draft: Draft) -> None:
        """Applies this change to a draft in place."""
        for digest, blob in self.blobs.items():
            draft.versions[digest] = draft.versions[digest].model_copy(update={"ingested": blob})


Change = Named | Unnamed | Retired | Reingested
_CHANGES: TypeAdapter[Change] = TypeAdapter(Change)


class Journal:
    """Snapshot and log of one index. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """path: of the snapshot. Reads snapshot and log. Raises StorageFailed if either is unreadable."""
        self._path = path
        self._log = path.with_suffix(".log")
        self._file: BinaryIO | None = None
        snapshot, self._generation = Index.load(path)
        changes, self._end = self._read()
        self._count = len(changes)
        draft = Draft(snapshot)
        for change in changes:
            change.replay(draft)
        self.index = Index.of(draft.names, draft.versions) if changes else snapshot

    def record(self, change: Change) -> Index:
        """The index after the change, synced to disk. Raises StorageFailed; then nothing has changed."""
        index = change.to(self.index)
        is_long = self._count >= max(_LEAST_CHANGES, len(index.versions) // 4)
        if is_long or self._generation == 0:  # format 1 and an empty home have no log
            self._begin_generation(index)
        else:
            self._append(_line(change.model_dump_json().encode()))
        self.index = index
        return index

    def close(self) -> None:
        """Closes the log; the next `record` opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin_generation(self, index: Index) -> None:
        index.save(self._path, self._generation + 1)
        self._generation += 1
        self.close()
        self._count = self._end = 0  # the present log is obsolete; the next change replaces it

    def _append(self, line: bytes) -> None:
        try:
            if not self._end:
                header = _line(json.dumps({"generation": self._generation}).encode())
                write_whole(self._log, [header, line])
                self._end = len(header)
            else:
                self._file = self._file or self._log.open("r+b")
                self._file.truncate(self._end)  # removes a line that a crash or a full disk cut short
                self._file.seek(self._end)
                self._file.write(line)
                self._file.flush()
                os.fsync(self._file.fileno())
        except OSError as error:
            self.close()
            raise storage_failed(self._log, error) from error
        self._end += len(line)
        self._count += 1

    def _read(self) -> tuple[list[Change], int]:
        """The changes since the snapshot, and the file offset of the next one; 0 if a new log must be begun."""
        try:
            lines = self._log.read_bytes().split(b"\n")[:-1]  # a line without its newline was never acknowledged
        except FileNotFoundError:
            return [], 0
        except OSError as error:
            raise self._unreadable(str(error)) from error
        whole = [_content(line) for line in lines]
        good = next((i for i, content in enumerate(whole) if content is None), len(whole))
        if any(content is not None for content in whole[good:]):
            raise self._unreadable(f"line {good + 1} is damaged, and it is not the last")
        try:
            generation = json.loads(whole[0] or b"{}")["generation"] if good else 0
            if generation > self._generation:
                raise self._unreadable(f"it belongs to a later {self._path.name}")
            if generation < self._generation or generation == 0:
                return [], 0
            changes = [_CHANGES.validate_json(content or b"") for content in whole[1:good]]
        except (ValueError, KeyError) as error:
            raise self._unreadable(str(error).splitlines()[0]) from error
        return changes, sum(len(line) + 1 for line in lines[:good])

    def _unreadable(self, reason: str) -> StorageFailed:
        fix = f"Restore it and {self._path.name}, or move both away and add the adapters again."
        return StorageFailed("read the list of adapters in", self._log, reason, fix)


def _line(content: bytes) -> bytes:
    return b"%08x %s\n" % (zlib.crc32(content), content)


def _content(line: bytes) -> bytes | None:
    """The line's content; None if its checksum is wrong."""
    checksum, _, content = line.partition(b" ")
    return content if checksum == b"%08x" % zlib.crc32(content) else None
