"""How a measurement reads."""

from benchmarks.lab.scoreboard import measured_text


def test_a_row_shows_its_interval_and_a_count_shows_none() -> None:
    interval = {"median": 2.5, "low": 2.25, "high": 12.04, "pairs": 3}

    assert measured_text({"measured": interval, "unit": "×"}) == "2.500 × (2.250 to 12)"
    assert measured_text({"measured": interval, "unit": "ms"}) == "2.5 ms (2.2 to 12.0)"
    assert measured_text({"measured": {**interval, "median": 1.0}, "unit": ""}) == "1"
    assert measured_text({"measured": None, "unit": "×"}) == "–"
