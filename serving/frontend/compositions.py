"""Compositions that requests have asked for, by the digest under which the engine knows them."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from serving.adapters import composition
from serving.adapters.blob import AdapterBlob, Allocate, in_memory
from serving.adapters.load_stages import LoadStages
from serving.adapters.spec import MAX_RANK
from serving.adapters.store import AdapterVersion
from serving.errors import AdapterIncompatible, InvalidRequest, ModelNotFound
from serving.types import AdapterDigest

ReadBlob = Callable[[AdapterDigest, Allocate, LoadStages], AdapterBlob]
_KEPT = 4096
"""More than can be in flight; a forgotten one is known again when it is next asked for."""


@dataclass(frozen=True, slots=True)
class Composition:
    """Adapter versions added up with weights; to the engine an adapter like any other.

    nbytes: the most it can take in device memory.
    """

    name: str
    versions: tuple[tuple[AdapterVersion, float], ...]
    source: str = "composition"
    invocation: tuple[int, ...] = ()

    @property
    def digest(self) -> AdapterDigest:
        return composition.digest_of(self.parts)

    @property
    def parts(self) -> tuple[tuple[AdapterDigest, float], ...]:
        return tuple((version.digest, weight) for version, weight in self.versions)

    @property
    def rank(self) -> int:
        return sum(version.rank for version, _ in self.versions)

    @property
    def nbytes(self) -> int:
        return sum(version.nbytes for version, _ in self.versions)


def composed(model: str, lookup: Callable[[str], AdapterVersion | None], *, allowed: bool) -> Composition | None:
    """What `a+b` or `a*0.7+b*0.3` means; None if `model` is a single name.

    Raises InvalidRequest, ModelNotFound, AdapterIncompatible.
    """
    named = composition.parse(model)
    if named is None:
        return None
    if not allowed:
        problem = "this node charges for its answers, and the protocol defines no split between several adapters"
        raise AdapterIncompatible(model, "model", f"{problem}; ask for one of them")
    versions = []
    for name, weight in named:
        version = lookup(name)
        if version is None:
            raise ModelNotFound(name)
        composition.check_composable(version.name, version.variant)
        versions.append((version, weight))
    found = Composition(model, tuple(versions))
    if found.rank > MAX_RANK:
        raise InvalidRequest("model", f"the adapters' ranks add up to {found.rank}; at most {MAX_RANK} are served")
    return found


class Compositions:
    """Digest → parts, from the moment a request is accepted. Read from the loader's threads too."""

    def __init__(self) -> None:
        self._parts: OrderedDict[AdapterDigest, tuple[tuple[AdapterDigest, float], ...]] = OrderedDict()

    def keep(self, digest: AdapterDigest, parts: tuple[tuple[AdapterDigest, float], ...]) -> None:
        self._parts[digest] = parts
        self._parts.move_to_end(digest)
        if len(self._parts) > _KEPT:
            self._parts.popitem(last=False)

    def parts_of(self, digest: AdapterDigest | None) -> list[AdapterDigest]:
        """The adapters that a composition adds up; none if it is not one."""
        return [part for part, _ in self._parts.get(digest, ())] if digest is not None else []

    def containing(self, adapter: AdapterDigest) -> list[AdapterDigest]:
        """The compositions that add `adapter` up with others."""
        return [digest for digest, parts in self._parts.items() if any(adapter == part for part, _ in parts)]

    def open_blob(
        self, digest: AdapterDigest, allocate: Allocate, stages: LoadStages, open_one: ReadBlob
    ) -> AdapterBlob:
        """The blob of a composition or of a single adapter; blocking. Raises what `open_one` raises."""
        parts = self._parts.get(digest)
        if parts is None:
            return open_one(digest, allocate, stages)
        blobs = [(open_one(part, in_memory, stages), weight) for part, weight in parts]
        return composition.compose(blobs, digest, allocate)
