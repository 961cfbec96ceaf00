"""Compositions that requests have named, by the digest under which the engine loads them."""

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
"""Compositions remembered: more than can be in flight. A dropped one is added again by the next request."""


@dataclass(frozen=True, slots=True)
class Composition:
    """A weighted sum of adapter versions; the engine treats it as one adapter."""

    name: str
    versions: tuple[tuple[AdapterVersion, float], ...]
    source: str = "composition"
    invocation: tuple[int, ...] = ()

    @property
    def digest(self) -> AdapterDigest:
        """Names the composition; equal for equal parts in any order."""
        return composition.digest_of(self.parts)

    @property
    def parts(self) -> tuple[tuple[AdapterDigest, float], ...]:
        """(digest, weight) of each adapter."""
        return tuple((version.digest, weight) for version, weight in self.versions)

    @property
    def rank(self) -> int:
        """The rank of the sum, which concatenates the parts' matrices."""
        return sum(version.rank for version, _ in self.versions)

    @property
    def nbytes(self) -> int:
        """The most bytes it can take in device memory."""
        return sum(version.nbytes for version, _ in self.versions)


def composed(model: str, lookup: Callable[[str], AdapterVersion | None], *, allowed: bool) -> Composition | None:
    """The composition that `a+b` or `a*0.7+b*0.3` names; None if `model` is a single name.

    Raises InvalidRequest, ModelNotFound, AdapterIncompatible.
    """
    named = composition.parse(model)
    if named is None:
        return None
    if not allowed:
        problem = "this node charges for its answers, and the protocol defines no split between several adapters"
        raise AdapterIncompatible(model, "model", f"{problem}; name one of them")
    versions = []
    for name, weight in named:
        version = lookup(name)
        if version is None:
            raise ModelNotFound(name)
        composition.check_composable(version.name, version.variant)
        versions.append((version, weight))
    summed = Composition(model, tuple(versions))
    if summed.rank > MAX_RANK:
        raise InvalidRequest("model", f"the adapters' ranks add up to {summed.rank}; at most {MAX_RANK} are served")
    return summed


class Compositions:
    """Digest → parts of the compositions that requests have named. Also read by the loader's threads."""

    def __init__(self) -> None:
        self._parts: OrderedDict[AdapterDigest, tuple[tuple[AdapterDigest, float], ...]] = OrderedDict()

    def keep(self, digest: AdapterDigest, parts: tuple[tuple[AdapterDigest, float], ...]) -> None:
        """Remembers a composition, before the engine is asked to load it."""
        self._parts[digest] = parts
        self._parts.move_to_end(digest)
        if len(self._parts) > _KEPT:
            self._parts.popitem(last=False)

    def parts_of(self, digest: AdapterDigest | None) -> list[AdapterDigest]:
        """The parts of a composition; empty if the digest is not of a composition."""
        return [part for part, _ in self._parts.get(digest, ())] if digest is not None else []

    def containing(self, adapter: AdapterDigest) -> list[AdapterDigest]:
        """The remembered compositions that have `adapter` as a part."""
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
