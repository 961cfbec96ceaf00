"""Times as people read them."""

from node.cli.moments import moment


def test_a_time_is_shown_to_the_second_in_utc() -> None:
    assert moment(0) == "1970-01-01 00:00:00 UTC"
    assert moment(1_800_000_000) == "2027-01-15 08:00:00 UTC"
