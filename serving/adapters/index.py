"""Which adapter version each name means: an immutable value, replaced as a whole in memory and on disk."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from serving.adapters.durable import write_whole
from serving.errors import InvalidRequest, StorageFailed
from serving.types import AdapterDigest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
_DIGEST_PREFIX = re.compile(r"[0-9a-f]{12,64}")


class Ingested(BaseModel):
    """The blob of a version: its file name, its bytes in memory, and the adapter's traits (see `AdapterSpec`).

    Stored in the index so that a start opens no blob: with many adapters that would take minutes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    blob: str
    rank: int
    nbytes: int
    invocation: tuple[int, ...] = ()
    variant: str | None = None


class Entry(BaseModel):
    """A stored version: its source, every name that means or meant it, and its blob if it was ingested."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    pinned_source: str
    immutable: bool
    names: tuple[str, ...]
    ingested: Ingested | None = None


class _Stored(BaseModel):
    """The snapshot file. Format 1 has no log; format 2 may have a log of the same generation next to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1, 2]
    generation: int = 0
    names: dict[str, AdapterDigest]
    versions: dict[AdapterDigest, Entry]


@dataclass(frozen=True, slots=True)
class Index:
    """names: the version that each name means now. versions: all that can be requested, earlier ones as `name@digest`.

    The versions of a name, and the newest version of each immutable source, are dictionary look-ups.
    """

    names: Mapping[str, AdapterDigest] = field(default_factory=dict)
    versions: Mapping[AdapterDigest, Entry] = field(default_factory=dict)
    _of_name: Mapping[str, frozenset[AdapterDigest]] = field(default_factory=dict, repr=False)
    _of_source: Mapping[str, AdapterDigest] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, names: Mapping[str, AdapterDigest], versions: Mapping[AdapterDigest, Entry]) -> "Index":
        """The index of these names and versions. versions: in the order in which they were named, the newest last."""
        of_name: dict[str, set[AdapterDigest]] = {}
        of_source: dict[str, AdapterDigest] = {}
        for digest, entry in versions.items():  # the newest last
            for name in entry.names:
                of_name.setdefault(name, set()).add(digest)
            for source in _sources(entry):
                of_source[source] = digest
        return cls(names, versions, {name: frozenset(digests) for name, digests in of_name.items()}, of_source)

    def with_name(self, name: str, digest: AdapterDigest, entry: Entry) -> "Index":
        """`name` means `digest`. entry: its source as of now, without the names it had before."""
        known = self.versions.get(digest)
        names = tuple(sorted({name, *(known.names if known else ())}))
        entry = entry.model_copy(update={"names": names})
        others = dict(self.versions)
        others.pop(digest, None)  # to re-insert it as the newest
        return Index(
            {**self.names, name: digest},
            {**others, digest: entry},
            {**self._of_name, name: self._of_name.get(name, frozenset()) | {digest}},
            {**self._of_source, **dict.fromkeys(_sources(entry), digest)},
        )

    def without_name(self, name: str) -> "Index":
        """`name` means nothing. Versions that no other name means or meant are dropped."""
        names = {each: digest for each, digest in self.names.items() if each != name}
        return replace(self, names=names).without_versions(name, self._of_name.get(name, frozenset()))

    def without_versions(self, name: str, digests: Collection[AdapterDigest]) -> "Index":
        """Forgets that `name` meant these versions. Those that no other name means or meant are dropped.

        The version that `name` means now may be among them only if the name is removed too.
        """
        versions, of_source = dict(self.versions), dict(self._of_source)
        stale: set[str] = set()
        for digest in digests:
            entry = versions[digest]
            left = tuple(each for each in entry.names if each != name)
            versions[digest] = entry.model_copy(update={"names": left})
            if not left:
                del versions[digest]
                stale |= {source for source in _sources(entry) if of_source.get(source) == digest}
        for source in stale:
            del of_source[source]
        if stale:  # an older version of the same source is its newest again
            of_source |= {s: digest for digest, entry in versions.items() for s in _sources(entry) if s in stale}
        of_name = {**self._of_name, name: self._of_name.get(name, frozenset()) - set(digests)}
        if not of_name[name]:
            del of_name[name]
        return Index(self.names, versions, of_name, of_source)

    def versions_of(self, name: str) -> list[AdapterDigest]:
        """Every version that `name` means or meant, the one named last at the end."""
        of_name = self._of_name.get(name, frozenset())
        if len(of_name) <= 1:
            return list(of_name)
        return [digest for digest in self.versions if digest in of_name]

    def surplus(self, name: str, kept: int) -> list[AdapterDigest]:
        """The versions that `name` meant earlier, beyond the `kept` newest of them, the oldest first."""
        earlier = [digest for digest in self.versions_of(name) if digest != self.names.get(name)]
        return earlier[: max(0, len(earlier) - kept)]

    def crowded(self, kept: int) -> dict[str, list[AdapterDigest]]:
        """`surplus` of every name that has any."""
        return {name: self.surplus(name, kept) for name, of in self._of_name.items() if len(of) > kept + 1}

    def with_ingested(self, ingested: Mapping[AdapterDigest, Ingested]) -> "Index":
        """The same versions with other blobs."""
        changed = {d: self.versions[d].model_copy(update={"ingested": blob}) for d, blob in ingested.items()}
        return replace(self, versions={**self.versions, **changed})

    def find(self, name: str, digest_prefix: str | None) -> AdapterDigest | None:
        """The version that `name` means; with a prefix, the only version of the name whose digest starts with it."""
        if digest_prefix is None:
            return self.names.get(name)
        if not _DIGEST_PREFIX.fullmatch(digest_prefix):
            return None
        found = [digest for digest in self._of_name.get(name, frozenset()) if digest.startswith(digest_prefix)]
        return found[0] if len(found) == 1 else None

    def at(self, source: str) -> AdapterDigest | None:
        """The newest version of an immutable source, by its pinned or its configured spelling; None if unknown."""
        return self._of_source.get(source)

    def save(self, path: Path, generation: int = 0) -> None:
        """Writes the snapshot. Raises StorageFailed; then the file is unchanged."""
        stored = _Stored(format=2, generation=generation, names=dict(self.names), versions=dict(self.versions))
        write_whole(path, [stored.model_dump_json(indent=1).encode()])

    @classmethod
    def load(cls, path: Path) -> tuple["Index", int]:
        """The index and its generation; empty if there is no file yet. Raises StorageFailed if it cannot be read."""
        try:
            stored = _Stored.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return cls(), 0
        except (OSError, ValidationError) as error:
            fix = "Restore it, or move it away and add the adapters again."
            raise StorageFailed("read the list of adapters in", path, str(error).splitlines()[0], fix) from error
        return cls.of(stored.names, stored.versions), stored.generation


def _sources(entry: Entry) -> tuple[str, ...]:
    """The source spellings that identify the version; none if the source can change."""
    return (entry.pinned_source, entry.source) if entry.immutable else ()


def check_name(name: str, base_name: str) -> None:
    """Raises InvalidRequest unless clients may use the name.

    A name has letters, digits, dots, dashes and underscores, at most one slash, and differs from the base's name.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise InvalidRequest(
            "name", "use letters, digits, '.', '-' and '_', starting with a letter or digit, with at most one '/'"
        )
    if name == base_name:
        raise InvalidRequest("name", f"{name!r} is the name of the base model")
