"""The figures the node must reach, each computed from what a scenario found: values and rules only."""

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

    figure: in words.   compared: its name among what the scenario compared.
    judged: which end of the interval must keep the limit.   pairs: how many turns it must be of at least.
    arm: the one that must have had LATENCY_REQUESTS in all its turns; None where requests are not counted.
    """

    figure: str
    profile: str
    scenario: str
    compared: str
    sense: Literal["≥", "≤"]
    limit: float
    unit: str = "×"
    judged: Literal["median", "high"] = "median"
    pairs: int = 3
    arm: str | None = None

    @property
    def words(self) -> str:
        """A count has no unit, and may only be 0."""
        return f"{self.sense} {self.limit:g} {self.unit}" if self.unit else f"{self.limit:g}"


class Reached(Enum):
    """thin: measured with fewer turns or requests than the bar asks for."""

    YES = "reached"
    NO = "missed"
    THIN = "too few turns"
    UNMEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a measured figure stands. measured: None if it was not."""

    bar: Bar
    measured: Interval | None
    reached: Reached

    def row(self) -> dict[str, Any]:
        """As it is written into a result."""
        return {
            "figure": self.bar.figure,
            "bar": self.bar.words,
            "scenario": self.bar.scenario,
            "measured": None if self.measured is None else asdict(self.measured),
            "unit": self.bar.unit,
            "reached": self.reached.value,
        }


_FEW_PER_CENT = 30
LATENCY_REQUESTS = 1000
BARS = (
    Bar("no adapter, 32 callers, tokens/s over HF generate's", "cpu", "base", "ours / hf_generate", "≥", 2.2),
    Bar("32 distinct adapters, tokens/s over PEFT's mixed batch", "cpu", "distinct", "ours / peft_mixed", "≥", 8.0),
    Bar(
        "32 distinct adapters, tokens/s over our own without adapters",
        "cpu",
        "adapters",
        "distinct adapters / no adapter",
        "≥",
        0.75,
    ),
    Bar("one request at a time, tokens/s over PEFT's set_adapter", "cpu", "solo", "ours / peft_set_adapter", "≥", 3.0),
    Bar(
        "adapters resident but unused, CPU time per step over a service without any, upper end of the interval",
        "cpu",
        "unused",
        "CPU time per step, with / without adapters",
        "≤",
        1.01,
        judged="high",
        pairs=_FEW_PER_CENT,
    ),
    Bar(
        "2,000 registered adapters, tokens/s over that of 5, 32 callers, Zipf 1.0, mixed ranks",
        "ci",
        "scale",
        "tokens/s, 2000 / 5 adapters",
        "≥",
        0.95,
    ),
    Bar(
        "2,000 registered adapters, p99 TTFT over that of 5, open loop at 0.8 of the base's saturation",
        "ci",
        "scale",
        "p99 TTFT, 2000 / 5 adapters",
        "≤",
        1.5,
        arm="2000 adapters, open loop",
    ),
    Bar(
        "hot requests' p99 inter-token latency while cold adapters load, over that without",
        "cpu",
        "interference",
        "itl_p99_ms, with cold loads / control",
        "≤",
        1.2,
        arm="with cold loads",
    ),
    Bar(
        "median TTFT when adapters need 2 × the device budget, over all resident",
        "cpu",
        "pressure",
        "ttft_p50_ms, twice the budget / resident",
        "≤",
        3.0,
        arm="twice the budget",
    ),
    Bar(
        "first token of an ingested 20 MB adapter that is not in memory, later than of one that is",
        "cpu",
        "cold",
        "first token, cold − warm, ms",
        "≤",
        15.0,
        unit="ms",
        pairs=_FEW_PER_CENT,
    ),
    Bar(
        "peak memory less imports over base, budgets and KV cache", "cpu", "memory", "memory taken / allowed", "≤", 1.15
    ),
    Bar(
        "GPU: hot requests' p99 inter-token latency while cold adapters load, over that without",
        "gpu",
        "interference",
        "itl_p99_ms, with cold loads / control",
        "≤",
        1.05,
        arm="with cold loads",
    ),
    Bar(
        "GPU: an adapter's way into memory over the measured copy of as many bytes",
        "gpu",
        "cold",
        "load / copy of as many bytes",
        "≤",
        1.5,
        pairs=_FEW_PER_CENT,
    ),
    *(
        Bar(
            f"answers of a wrong adapter, of the base in its place, of nobody, or lost ({profile} profile)",
            profile,
            EVERY_SCENARIO,
            "",
            "≤",
            0,
            unit="",
            pairs=0,
        )
        for profile in ("cpu", "ci", "gpu")
    ),
)


def scenarios_of(profile: str) -> list[str]:
    """The names of the scenarios that the profile's bars need."""
    needed = (bar.scenario for bar in BARS if bar.profile == profile and bar.scenario != EVERY_SCENARIO)
    return list(dict.fromkeys(needed))


def standings(profile: str, scenarios: Mapping[str, Any]) -> list[Standing]:
    """How the profile's bars stand. scenarios: of a result's document, by name."""
    return [_standing(bar, scenarios) for bar in BARS if bar.profile == profile]


def _standing(bar: Bar, scenarios: Mapping[str, Any]) -> Standing:
    if bar.scenario == EVERY_SCENARIO:
        return _counted(bar, scenarios)
    scenario = scenarios.get(bar.scenario, {})
    found = scenario.get("compared", {}).get(bar.compared)
    if found is None:
        return Standing(bar, None, Reached.UNMEASURED)
    measured = Interval(**found)
    if measured.pairs < bar.pairs or not _enough_requests(bar, scenario["arms"]):
        return Standing(bar, measured, Reached.THIN)
    return Standing(bar, measured, _kept(bar, measured))


def _enough_requests(bar: Bar, arms: Mapping[str, Any]) -> bool:
    return bar.arm is None or arms[bar.arm]["requests"] * arms[bar.arm]["turns"] >= LATENCY_REQUESTS


def _counted(bar: Bar, scenarios: Mapping[str, Any]) -> Standing:
    if not scenarios:
        return Standing(bar, None, Reached.UNMEASURED)
    faults = float(sum(scenario["checks"][name] for scenario in scenarios.values() for name in FAULTS))
    measured = Interval(faults, faults, faults, len(scenarios))
    return Standing(bar, measured, _kept(bar, measured))


def _kept(bar: Bar, measured: Interval) -> Reached:
    value = measured.median if bar.judged == "median" else measured.high
    kept = value >= bar.limit if bar.sense == "≥" else value <= bar.limit
    return Reached.YES if kept else Reached.NO
