"""Times in answers."""

from node.api.timestamps import rfc3339


def test_a_time_is_spelled_in_utc_with_a_z() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00Z"
    assert rfc3339(1_769_850_000) == "2026-01-31T09:00:00Z"
