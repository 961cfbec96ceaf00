"""Which name means which adapter version: a value that is replaced whole, in memory and on disk."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from serving.adapters.durable import write_whole
from serving.errors import InvalidRequest, StorageFailed
from serving.types import AdapterDigest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
_DIGEST_PREFIX = re.compile(r"[0-9a-f]{12,64}")


class Entry(BaseModel):
    """A stored version: where it came from, and every name that means or meant it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    pinned_source: str
    immutable: bool
    names: tuple[str, ...]


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    names: dict[str, AdapterDigest]
    versions: dict[AdapterDigest, Entry]


@dataclass(frozen=True, slots=True)
class Index:
    """names: what each name means now. versions: all that can be asked for, so also `name@digest` of earlier ones."""

    names: Mapping[str, AdapterDigest] = field(default_factory=dict)
    versions: Mapping[AdapterDigest, Entry] = field(default_factory=dict)

    def with_name(
        self, name: str, digest: AdapterDigest, source: str, pinned_source: str, *, immutable: bool
    ) -> "Index":
        """`name` means `digest` from now on."""
        known = self.versions.get(digest)
        names = tuple(sorted({name, *(known.names if known else ())}))
        entry = Entry(source=source, pinned_source=pinned_source, immutable=immutable, names=names)
        others = {each: other for each, other in self.versions.items() if each != digest}
        return Index({**self.names, name: digest}, {**others, digest: entry})  # the newest last: see `at`

    def without_name(self, name: str) -> "Index":
        """`name` means nothing any more; versions that no other name means or meant are gone."""
        names = {each: digest for each, digest in self.names.items() if each != name}
        versions = {
            digest: entry.model_copy(update={"names": tuple(each for each in entry.names if each != name)})
            for digest, entry in self.versions.items()
        }
        return Index(names, {digest: entry for digest, entry in versions.items() if entry.names})

    def find(self, name: str, digest_prefix: str | None) -> AdapterDigest | None:
        """The version that `name` means now, or the only one it ever meant whose digest starts with the prefix."""
        if digest_prefix is None:
            return self.names.get(name)
        if not _DIGEST_PREFIX.fullmatch(digest_prefix):
            return None
        found = [d for d, entry in self.versions.items() if name in entry.names and d.startswith(digest_prefix)]
        return found[0] if len(found) == 1 else None

    def at(self, source: str) -> AdapterDigest | None:
        """The version fetched from a pinned source, or last from a source spelled so, if that cannot have changed."""
        for digest, entry in reversed(list(self.versions.items())):
            if entry.immutable and source in (entry.pinned_source, entry.source):
                return digest
        return None

    def save(self, path: Path) -> None:
        """Raises StorageFailed; then the file is as it was."""
        stored = _Stored(format=1, names=dict(self.names), versions=dict(self.versions))
        write_whole(path, [stored.model_dump_json(indent=1).encode()])

    @classmethod
    def load(cls, path: Path) -> "Index":
        """Empty if there is no file yet. Raises StorageFailed if it cannot be read."""
        try:
            stored = _Stored.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return cls()
        except (OSError, ValidationError) as error:
            raise StorageFailed(
                f"Cannot read the list of adapters in {path}: {str(error).splitlines()[0]}. Restore it, or move it "
                "away and add the adapters again."
            ) from error
        return cls(stored.names, stored.versions)


def check_name(name: str, base_name: str) -> None:
    """A name clients may use: letters, digits, dots, dashes and underscores, at most one slash; not the base's.

    Raises InvalidRequest.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise InvalidRequest(
            "name", "use letters, digits, '.', '-' and '_', starting with a letter or digit, with at most one '/'"
        )
    if name == base_name:
        raise InvalidRequest("name", f"{name!r} is the name of the base model")
