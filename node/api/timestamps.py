"""Times in answers."""

from datetime import UTC, datetime


def rfc3339(seconds: int) -> str:
    """Unix seconds as an RFC 3339 time in UTC, such as 2026-01-31T09:00:00Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
