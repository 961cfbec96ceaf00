"""What the parts of a node report: their progress while they start, and whether they are ready."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Progress = Callable[[str, float], None]
"""progress(step, fraction from 0 to 1). May be called from any thread."""


@dataclass(frozen=True, slots=True)
class Check:
    """The state of one part as /readyz shows it; `reason` is a sentence for the operator in both cases."""

    ok: bool
    reason: str


Probe = Callable[[], Awaitable[Check]]
"""Asks one part for its state."""
