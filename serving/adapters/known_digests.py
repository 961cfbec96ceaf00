"""Hashes of large files that have not changed since they were hashed last, kept across restarts."""

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
"""A file that was written to less than this before it was hashed is hashed again the next time: the times of files move
in ticks, and a change within the same tick would not show."""


class KnownDigests:
    """sha256 by path and FileId. A base model has gigabytes, which every start would have to read.

    Whoever can write to the node's home, where they are kept, can write to everything that the node believes.
    """

    def __init__(
        self, path: Path, digest: Callable[[Path], str] = file_digest, clock: Callable[[], float] = time.time
    ) -> None:
        """path: where they are kept. What cannot be read there is hashed again."""
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
        name, found = str(file.resolve()), FileId.of(file.stat())
        entry = [*astuple(found), None]
        known = self._known.get(name)
        if known is not None and known[:-1] == entry[:-1]:
            return str(known[-1])
        began_ns = int(self._clock() * 1e9)
        entry[-1] = self._digest(file)
        is_settled = max(found.mtime_ns, found.ctime_ns) < began_ns - _SETTLED_S * 1e9
        if is_settled and FileId.of(file.stat()) == found:
            self._known[name] = entry
            self._changed = True
        return str(entry[-1])

    def save(self) -> None:
        """Keeps what is new; a disk that does not take it costs the next start its time and nothing else."""
        if not self._changed:
            return
        try:
            write_whole(self._path, [json.dumps(self._known, indent=1, sort_keys=True).encode()])
        except StorageFailed as problem:
            log.warning("known_digests_not_kept error=%s", problem)
        self._changed = False
