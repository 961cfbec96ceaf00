"""Times as people read them."""

from datetime import UTC, datetime


def moment(at: object) -> str:
    """A time in unix seconds, as `2026-11-28 05:40:00 UTC`."""
    return f"{datetime.fromtimestamp(int(str(at)), UTC):%Y-%m-%d %H:%M:%S} UTC"
