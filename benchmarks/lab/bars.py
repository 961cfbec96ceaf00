"""The performance bars: the figures that the node must reach, and the rule that decides whether it does."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Literal

from benchmarks.lab.statistics import Interval

FAULTS = ("lost", "wrong_adapter", "silent_base", "broken")
EVERY_SCENARIO = "every scenario"


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure and its limit.

    figure: a description for readers.   comparison: the figure's name among the scenario's comparisons.
    judged_by: the statistic that must keep the limit, the median or the upper end of the interval.
    min_turns: fewer turns than this do not count.
    arm: its turns must have had LATENCY_REQUESTS requests in all; None if the bar is not about latencies.
    """

    figure: str
    profile: str
    scenario: str
    comparison: str
    direction: Literal["≥", "≤"]
    limit: float
    unit: str = "×"
    judged_by: Literal["median", "high"] = "median"
    min_turns: int = 3
    arm: str | None = None

    @property
    def limit_text(self) -> str:
        """The limit for readers, such as "≥ 0.95 ×". A count has no unit and must be 0."""
        return f"{self.direction} {self.limit:g} {self.unit}" if self.unit else f"{self.limit:g}"


class Reached(Enum):
    """Whether a bar is reached. THIN: measured with fewer turns or requests than the bar requires."""

    YES = "reached"
    NO = "missed"
    THIN = "too few turns"
    UNMEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class BarResult:
    """What was measured for a bar. measured: None if nothing was."""

    bar: Bar
    measured: Interval | None
    reached: Reached

    def row(self) -> dict[str, Any]:
        """The row that a result file holds for this bar."""
        return {
            "figure": self.bar.figure,
            "bar": self.bar.limit_text,
            "scenario": self.bar.scenario,
            "measured": None if self.measured is None else asdict(self.measured),
            "unit": self.bar.unit,
            "reached": self.reached.value,
        }


_SMALL_DIFFERENCE_TURNS = 30
"""Turns that it takes to resolve a difference of a few per cent."""
LATENCY_REQUESTS = 1000
"""Requests, over all turns, that a latency percentile needs."""
BARS = (
    Bar("no adapters, 32 callers: tokens/s relative to HF generate", "cpu", "base", "ours / hf_generate", "≥", 2.2),
    Bar(
        "32 distinct adapters: tokens/s relative to PEFT's mixed batch",
        "cpu",
        "distinct",
        "ours / peft_mixed",
        "≥",
        8.0,
    ),
    Bar(
        "32 distinct adapters: tokens/s relative to our own without adapters",
        "cpu",
        "adapters",
        "distinct adapters / no adapter",
        "≥",
        0.75,
    ),
    Bar(
        "one request at a time: tokens/s relative to PEFT's set_adapter",
        "cpu",
        "solo",
        "ours / peft_set_adapter",
        "≥",
        3.0,
    ),
    Bar(
        "adapters resident but unused: CPU time per step relative to a service without any (upper end of the interval)",
        "cpu",
        "unused",
        "CPU time per step, with / without adapters",
        "≤",
        1.01,
        judged_by="high",
        min_turns=_SMALL_DIFFERENCE_TURNS,
    ),
    Bar(
        "2,000 registered adapters: tokens/s relative to 5 (32 callers, Zipf 1.0, mixed ranks)",
        "ci",
        "scale",
        "tokens/s, 2000 / 5 adapters",
        "≥",
        0.95,
    ),
    Bar(
        "2,000 registered adapters: p99 TTFT relative to 5 (open loop at 0.8 of the base's saturation)",
        "ci",
        "scale",
        "p99 TTFT, 2000 / 5 adapters",
        "≤",
        1.5,
        arm="2000 adapters, open loop",
    ),
    Bar(
        "p99 inter-token latency of hot requests while cold adapters load, relative to no loads",
        "cpu",
        "interference",
        "itl_p99_ms, with cold loads / control",
        "≤",
        1.2,
        arm="with cold loads",
    ),
    Bar(
        "median TTFT when adapters need 2 × the device budget, relative to all resident",
        "cpu",
        "pressure",
        "ttft_p50_ms, twice the budget / resident",
        "≤",
        3.0,
        arm="twice the budget",
    ),
    Bar(
        "added time to first token of an ingested 20 MB adapter that is not in memory",
        "cpu",
        "cold",
        "first token, cold − warm, ms",
        "≤",
        15.0,
        unit="ms",
        min_turns=_SMALL_DIFFERENCE_TURNS,
    ),
    Bar(
        "peak memory, less imports, relative to base, budgets and KV cache",
        "cpu",
        "memory",
        "memory taken / allowed",
        "≤",
        1.15,
    ),
    Bar(
        "GPU: p99 inter-token latency of hot requests while cold adapters load, relative to no loads",
        "gpu",
        "interference",
        "itl_p99_ms, with cold loads / control",
        "≤",
        1.05,
        arm="with cold loads",
    ),
    Bar(
        "GPU: time to load an adapter relative to a plain copy of as many bytes",
        "gpu",
        "cold",
        "load / copy of as many bytes",
        "≤",
        1.5,
        min_turns=_SMALL_DIFFERENCE_TURNS,
    ),
    *(
        Bar(
            f"lost answers, and answers not from the requested adapter ({profile} profile)",
            profile,
            EVERY_SCENARIO,
            "",
            "≤",
            0,
            unit="",
            min_turns=0,
        )
        for profile in ("cpu", "ci", "gpu")
    ),
)


def scenarios_of(profile: str) -> list[str]:
    """Names of the scenarios that measure the profile's bars, each once, in the order of the bars."""
    needed = (bar.scenario for bar in BARS if bar.profile == profile and bar.scenario != EVERY_SCENARIO)
    return list(dict.fromkeys(needed))


def bar_results(profile: str, scenarios: Mapping[str, Any]) -> list[BarResult]:
    """The profile's bars with what was measured for each. scenarios: those of a result document, by name."""
    return [_result_of(bar, scenarios) for bar in BARS if bar.profile == profile]


def _result_of(bar: Bar, scenarios: Mapping[str, Any]) -> BarResult:
    if bar.scenario == EVERY_SCENARIO:
        return _fault_count(bar, scenarios)
    scenario = scenarios.get(bar.scenario, {})
    interval = scenario.get("compared", {}).get(bar.comparison)
    if interval is None:
        return BarResult(bar, None, Reached.UNMEASURED)
    measured = Interval(**interval)
    if measured.pairs < bar.min_turns or not _enough_requests(bar, scenario["arms"]):
        return BarResult(bar, measured, Reached.THIN)
    return BarResult(bar, measured, _kept(bar, measured))


def _enough_requests(bar: Bar, arms: Mapping[str, Any]) -> bool:
    return bar.arm is None or arms[bar.arm]["requests"] * arms[bar.arm]["turns"] >= LATENCY_REQUESTS


def _fault_count(bar: Bar, scenarios: Mapping[str, Any]) -> BarResult:
    if not scenarios:
        return BarResult(bar, None, Reached.UNMEASURED)
    faults = float(sum(scenario["checks"][name] for scenario in scenarios.values() for name in FAULTS))
    measured = Interval(faults, faults, faults, len(scenarios))
    return BarResult(bar, measured, _kept(bar, measured))


def _kept(bar: Bar, measured: Interval) -> Reached:
    value = measured.median if bar.judged_by == "median" else measured.high
    kept = value >= bar.limit if bar.direction == "≥" else value <= bar.limit
    return Reached.YES if kept else Reached.NO
