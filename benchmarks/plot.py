"""The plot of throughput and time to first token against the number of registered adapters, as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

WIDTH, HEIGHT = 760, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 44, 44
_INSET = 28
"""Distance of the first and last point from the sides of the grid, so their labels do not cover the axis's."""
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.grid { stroke: #1f2328; stroke-opacity: .15 }
.line { fill: none; stroke: #0969da; stroke-width: 2 }
.point { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .grid { stroke: #e6edf3 }
  .line { stroke: #58a6ff }
  .point { fill: #58a6ff }
}
"""


@dataclass(frozen=True, slots=True)
class Panel:
    """One curve over the number of registered adapters. points: (adapters, value), sorted by adapters."""

    title: str
    points: Sequence[tuple[int, float]]


def panels(scale: dict[str, Any]) -> tuple[Panel, Panel]:
    """The panels of throughput and of p99 time to first token. scale: the result of the scenario `scale`."""
    arms = scale["arms"]
    counts = sorted(int(name.split()[0]) for name in arms if "open loop" not in name)
    return (
        Panel("tokens/s, closed loop of 32 callers", [(n, arms[f"{n} adapters"]["tokens_per_s"]) for n in counts]),
        Panel(
            "p99 time to first token in ms, open loop",
            [(n, arms[f"{n} adapters, open loop"]["ttft_p99_ms"]) for n in counts],
        ),
    )


def svg(drawn: Sequence[Panel], description: str) -> str:
    """The panels next to each other as one SVG image with a transparent background.

    Colours follow the reader's light or dark scheme. description: the image's title for screen readers.
    """
    width = WIDTH / len(drawn)
    shapes = [shape for place, panel in enumerate(drawn) for shape in _panel(panel, place * width, width)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img">'
    )
    title = f"<title>{escape(description)}</title>"
    return "\n".join([head, title, f"<style>{_STYLE}</style>", *shapes, "</svg>", ""])


def _panel(panel: Panel, left: float, width: float) -> list[str]:
    x0, x1, y0, y1 = left + _LEFT, left + width - _RIGHT, HEIGHT - _BOTTOM, _TOP
    counts, values = zip(*panel.points, strict=True)
    ticks = ticks_to(max(values))
    span = math.log(counts[-1] / counts[0]) or 1.0

    def x(count: float) -> float:
        return x0 + _INSET + (x1 - x0 - 2 * _INSET) * math.log(count / counts[0]) / span

    def y(value: float) -> float:
        return y0 + (y1 - y0) * value / ticks[-1]

    shapes = [_text(panel.title, x0, _TOP - 22, kind="title")]
    shapes.append(_text("registered adapters", (x0 + x1) / 2, HEIGHT - 8, anchor="middle"))
    for tick in ticks:
        shapes.append(f'<line class="grid" x1="{x0:.1f}" x2="{x1:.1f}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        shapes.append(_text(f"{tick:,g}", x0 - 6, y(tick) + 4, anchor="end"))
    line = " ".join(f"{x(count):.1f},{y(value):.1f}" for count, value in panel.points)
    shapes.append(f'<polyline class="line" points="{line}"/>')
    for count, value in panel.points:
        shapes.append(f'<circle class="point" cx="{x(count):.1f}" cy="{y(value):.1f}" r="4"/>')
        shapes.append(_text(f"{value:,.0f}", x(count), y(value) - 9, anchor="middle"))
        shapes.append(_text(f"{count:,}", x(count), y0 + 18, anchor="middle"))
    return shapes


def ticks_to(most: float) -> list[float]:
    """Four to six round numbers from 0 to the first that is not below `most`."""
    size = 10 ** math.floor(math.log10(most / 4))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if most <= 5 * size * factor)
    return [step * number for number in range(math.ceil(most / step) + 1)]


def _text(words: str, x: float, y: float, *, kind: str = "", anchor: str = "start") -> str:
    of_class = f' class="{kind}"' if kind else ""
    return f'<text{of_class} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
