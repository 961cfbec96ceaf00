"""The picture of throughput and waiting against the number of registered adapters."""

from xml.etree import ElementTree

import pytest

from benchmarks.plot import HEIGHT, WIDTH, Panel, panels, svg, ticks_to

POINTS = [(5, 1480.0), (100, 1475.5), (2000, 1451.0)]
SVG = "{http://www.w3.org/2000/svg}"


def drawn() -> ElementTree.Element:
    return ElementTree.fromstring(svg([Panel("tokens/s & more", POINTS), Panel("wait", POINTS)], "what < it shows"))


def test_every_point_is_drawn_inside_the_plot_and_labelled() -> None:
    root = drawn()

    circles = root.findall(f"{SVG}circle")
    assert len(circles) == 2 * len(POINTS)
    assert all(0 < float(each.attrib["cx"]) < WIDTH and 0 < float(each.attrib["cy"]) < HEIGHT for each in circles)
    words = {each.text for each in root.findall(f"{SVG}text")}
    assert {"1,480", "1,476", "1,451", "5", "100", "2,000", "tokens/s & more"} <= words


def test_more_is_higher_and_farther_right() -> None:
    low, high = Panel("", [(5, 10.0), (50, 20.0)]), Panel("", [(5, 20.0), (50, 10.0)])

    rising, falling = (ElementTree.fromstring(svg([panel], "")).findall(f"{SVG}circle") for panel in (low, high))
    assert float(rising[0].attrib["cx"]) < float(rising[1].attrib["cx"])
    assert float(rising[0].attrib["cy"]) > float(rising[1].attrib["cy"])
    assert float(falling[0].attrib["cy"]) < float(falling[1].attrib["cy"])


def test_the_plot_has_colours_for_light_and_dark_schemes_and_a_title_for_screen_readers() -> None:
    root = drawn()

    style = root.findtext(f"{SVG}style") or ""
    assert "prefers-color-scheme: dark" in style
    assert root.findtext(f"{SVG}title") == "what < it shows"


@pytest.mark.parametrize("most", [0.3, 1.0, 7.0, 99.0, 100.0, 2499.0, 5e6])
def test_ticks_are_few_and_the_last_is_not_below_the_largest_value(most: float) -> None:
    ticks = ticks_to(most)

    assert ticks[0] == 0
    assert ticks[-2] < most <= ticks[-1]
    assert 4 <= len(ticks) <= 6


def test_the_panels_are_the_sweep_of_the_scenario() -> None:
    arms = {
        f"{count} adapters{suffix}": {"tokens_per_s": 10.0 * count, "ttft_p99_ms": 2.0 * count}
        for count in (2000, 5)
        for suffix in ("", ", open loop")
    }

    throughput, waiting = panels({"arms": arms})

    assert throughput.points == [(5, 50.0), (2000, 20000.0)]
    assert waiting.points == [(5, 10.0), (2000, 4000.0)]
