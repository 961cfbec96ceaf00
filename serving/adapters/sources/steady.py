"""Copies of files that somebody may be writing to: one whole version, or a refusal."""

import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from serving.adapters.file_id import FileId
from serving.errors import SourceUnavailable

QUIET_S = 0.25
"""A file counts as finished once nobody has written to it for this long.

It must exceed the granularity of the file system's timestamps (10 ms or less on a local Linux file system): otherwise a
write in the same tick as the last one would not change the modification time.
"""
_RETRY_AFTER_S = 2.0

Snapshot = dict[str, FileId]


@dataclass(frozen=True, slots=True)
class SteadyFolder:
    """The named files of one folder, copied only while nobody writes to them.

    Limit: a writer that overwrites files in place and pauses for QUIET_S between two writes looks finished. Writers
    that need certainty write to another folder and rename it.
    """

    source: str
    folder: Path
    names: Collection[str]
    patience_s: float
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def copy(self, copy: Callable[[Callable[[], None]], None]) -> None:
        """Runs `copy(check)` until no file has changed from before it began until after it ended.

        `copy` calls `check` between chunks; it raises to end a copy that is lost already. An error of `copy` counts
        only if no file has changed. Raises what `copy` raises, and SourceUnavailable if the files keep changing for
        `patience_s`.
        """
        deadline = self.clock() + self.patience_s
        while True:
            before = self._wait_until_quiet(deadline)

            def check(before: Snapshot = before) -> None:
                if self._snapshot() != before:
                    raise _Changed

            try:
                try:
                    copy(check)
                finally:
                    check()
            except _Changed:
                continue
            return

    def _wait_until_quiet(self, deadline: float) -> Snapshot:
        """The files' identities, unchanged for QUIET_S."""
        seen = self._snapshot()
        while (now := self.clock()) < deadline:
            age_s = now - max((file.mtime_ns for file in seen.values()), default=0) / 1e9
            if age_s >= QUIET_S:
                return seen
            self.sleep(QUIET_S - max(age_s, 0.0))  # a time in the future is another machine's clock: watch instead
            latest = self._snapshot()
            if latest == seen:
                return seen
            seen = latest
        raise SourceUnavailable(
            self.source,
            f"its files kept changing for {self.patience_s:.0f} s; load it when they are complete, or write a new "
            "version to another folder and rename that",
            _RETRY_AFTER_S,
        )

    def _snapshot(self) -> Snapshot:
        """Identity of each named file that exists, links followed; the folder's own identity is part of each path."""
        found: Snapshot = {}
        for name in self.names:
            try:
                found[name] = FileId.of(os.stat(self.folder / name))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise SourceUnavailable(self.source, f"{name} cannot be read: {error.strerror}") from error
        return found


class _Changed(Exception):
    """A file changed while it was copied."""
