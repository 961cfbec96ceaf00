"""How the measurement of a bar reads, on the terminal and in the README."""

from collections.abc import Mapping
from typing import Any


def measured_text(row: Mapping[str, Any]) -> str:
    """The measured value with its interval; a count has no interval, and "–" stands for nothing measured.

    row: an entry of `bars` in a result.
    """
    measured, unit = row["measured"], row["unit"]
    if measured is None:
        return "–"
    if not unit:
        return f"{measured['median']:.0f}"
    low, high = (_rounded(measured[name], unit) for name in ("low", "high"))
    return f"{_rounded(measured['median'], unit)} {unit} ({low} to {high})"


def _rounded(value: float, unit: str) -> str:
    return f"{value:.1f}" if unit == "ms" else f"{value:.3g}" if value >= 10 else f"{value:.3f}"
