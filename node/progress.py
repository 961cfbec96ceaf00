"""How slow work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""progress(what, fraction from 0 to 1); may be called from any thread."""
