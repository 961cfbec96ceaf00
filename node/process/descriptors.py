"""How many connections this process may hold: its limit of open files, less what everything else needs."""

import resource
from contextlib import suppress
from dataclasses import dataclass

_WANTED_FILES = 65_536
_RESERVED_FILES = 192
"""Kept for the database, the chain, adapters, models, logs and the operator's listener."""
LEAST_FILES = 256
"""With fewer open files a node cannot serve."""
_MOST_BACKLOG = 128


class TooFewDescriptors(Exception):
    """The process may not open as many files as a node needs."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"This process may open {limit} files at once, and a node needs at least {LEAST_FILES}. "
            "Raise the limit first: ulimit -n 4096 (systemd: LimitNOFILE=4096)."
        )
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the public listener may use. connections: open at once; backlog: connections the kernel queues."""

    connections: int
    backlog: int


def raise_file_limit() -> int:
    """Raises the soft limit of open files towards the hard one, and returns it. Raises TooFewDescriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, _WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # a sandbox may forbid it; the soft limit then stays
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _WANTED_FILES if soft == resource.RLIM_INFINITY else soft
    if limit < LEAST_FILES:
        raise TooFewDescriptors(limit)
    return limit


def allowance(file_limit: int, wanted_connections: int) -> Allowance:
    """The connections and the backlog that fit `file_limit` open files, at most `wanted_connections`.

    asyncio accepts up to `backlog` connections in one turn of its loop, and a connection that is refused keeps its
    descriptor for up to three turns. So four backlogs are kept free besides the open connections.
    """
    free = file_limit - _RESERVED_FILES
    backlog = max(1, min(_MOST_BACKLOG, free // 8))
    return Allowance(max(1, min(wanted_connections, free - 4 * backlog)), backlog)
