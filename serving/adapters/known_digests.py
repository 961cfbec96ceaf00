"""sha256 of large files, cached across restarts and reused while the files are unchanged."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

from serving.adapters.digests import file_digest
from serving.adapters.durable import write_whole
from serving.adapters.file_id import FileId
from serving.errors import StorageFailed

log = logging.getLogger("serving.adapters")
_SETTLED_S = 2.0
"""A file modified less than this before its hash began is hashed again next time: timestamps have a granularity, and a
later change within the same tick would not change them."""


class KnownDigests:
    """sha256 by path and FileId. Without it every start would read the gigabytes of the base model.

    The cache is trusted: a process that can write to the node's home can change everything else there too.
    """

    def __init__(
        self, path: Path, digest: Callable[[Path], str] = file_digest, clock: Callable[[], float] = time.time
    ) -> None:
        """path: of the cache file. If it is unreadable, files are hashed again."""
        self._path = path
        self._digest = digest
        self._clock = clock
        self._changed = False
        self._known: dict[str, list[object]] = {}
        try:
            kept = json.loads(path.read_bytes())
            self._known = {str(name): list(entry) for name, entry in kept.items()}
        except FileNotFoundError:
            return
        except (OSError, ValueError, AttributeError, TypeError) as error:
            log.warning("known_digests_unreadable path=%s error=%s", path, error)

    def of(self, file: Path) -> str:
        """The sha256 of the file, in hex. Raises OSError."""
        name, identity = str(file.resolve()), FileId.of(file.stat())
        entry = [*astuple(identity), None]
        known = self._known.get(name)
        if known is not None and known[:-1] == entry[:-1]:
            return str(known[-1])
        began_ns = int(self._clock() * 1e9)
        entry[-1] = self._digest(file)
        is_settled = max(identity.mtime_ns, identity.ctime_ns) < began_ns - _SETTLED_S * 1e9
        if is_settled and FileId.of(file.stat()) == identity:
            self._known[name] = entry
            self._changed = True
        return str(entry[-1])

    def save(self) -> None:
        """Writes the cache if it has changed. A failed write only makes the next start slower, so it is logged."""
        if not self._changed:
            return
        try:
            write_whole(self._path, [json.dumps(self._known, indent=1, sort_keys=True).encode()])
        except StorageFailed as problem:
            log.warning("known_digests_not_kept error=%s", problem)
        self._changed = False
