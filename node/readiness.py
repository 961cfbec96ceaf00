"""Whether one part of a node is ready, and why not."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One answer of /readyz."""

    ok: bool
    reason: str


Probe = Callable[[], Awaitable[Check]]
"""Asks one part whether it is ready."""
