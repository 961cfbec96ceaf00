"""Adapters put into a store's home before a service opens it: thousands in the time that a few take one by one."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from serving.adapters.digests import adapter_digest
from serving.adapters.index import Entry, Index
from serving.adapters.journal import Journal
from serving.types import AdapterDigest

_INDEX = "index.json"


def stock(home: Path, adapters: Iterable[tuple[str, int]], write: Callable[[int, Path], Path]) -> None:
    """Registers every (name, number) that `home` does not have. write: makes adapter `number` in a new folder.

    The list is written once, not with every adapter as by `Service.add_adapter`. A service ingests them at its start.
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
    Index.of(names, versions).save(home / _INDEX, generation + 1)  # so that a log beside it is of the past
