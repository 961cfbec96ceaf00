"""Bulk registration: adapters written into a store's home before a service opens it, much faster than one by one."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from serving.adapters.digests import adapter_digest
from serving.adapters.index import Entry, Index
from serving.adapters.journal import Journal
from serving.types import AdapterDigest

_INDEX = "index.json"


def register_all(home: Path, adapters: Iterable[tuple[str, int]], write: Callable[[int, Path], Path]) -> None:
    """Register every (name, number) that `home` lacks. write: writes adapter `number` into a new folder.

    The index is written once, not once per adapter as by `Service.add_adapter`. A service ingests the adapters when it
    starts.
    """
    index, generation = Journal(home / _INDEX).index, Index.load(home / _INDEX)[1]
    missing = [(name, number) for name, number in adapters if name not in index.names]
    if not missing:
        return

    def place(number: int) -> AdapterDigest:
        made = write(number, home / "made" / str(number))
        digest = adapter_digest(made)
        kept = home / "versions" / digest
        if not kept.exists():
            made.rename(kept)
        return digest

    (home / "versions").mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(place, (number for _, number in missing)))
    names, versions = dict(index.names), dict(index.versions)
    for (name, number), digest in zip(missing, digests, strict=True):
        source = f"file:{home / 'made' / str(number)}"
        names[name] = digest
        versions[digest] = Entry(source=source, pinned_source=source, immutable=False, names=(name,))
    Index.of(names, versions).save(home / _INDEX, generation + 1)  # a newer generation: an existing journal is obsolete
