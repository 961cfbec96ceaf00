"""The scenarios of `openlora-switchbench v1`, and a run of some of them as one JSON document."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch

from benchmarks import provenance
from benchmarks.lab import peers
from benchmarks.lab.bars import bar_results
from benchmarks.lab.lab import Lab, ScenarioResult
from benchmarks.lab.profiles import Profile
from benchmarks.lab.scenarios import (
    churn,
    cold,
    decode,
    hostile,
    interference,
    memory,
    pressure,
    receipts,
    remote,
    scale,
    starvation,
    storm,
    throughput,
    unused,
)
from benchmarks.processors import load_average
from benchmarks.result import FORMAT

NAME = "openlora-switchbench v1"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario. letter: its letter in the specification; the comparisons with peers have none."""

    name: str
    letter: str
    verb: Literal["serve", "switch"]
    run: Callable[[Lab], Awaitable[ScenarioResult]]

    @property
    def question(self) -> str:
        """What the scenario measures: the first line of its docstring."""
        return (self.run.__doc__ or "").strip().splitlines()[0]


SCENARIOS = (
    Scenario("base", "", "serve", throughput.base_alone),
    Scenario("distinct", "", "serve", throughput.one_adapter_each),
    Scenario("adapters", "", "serve", throughput.adapters_or_none),
    Scenario("solo", "", "serve", throughput.one_at_a_time),
    Scenario("unused", "", "serve", unused.run),
    Scenario("decode", "", "serve", decode.run),
    Scenario("memory", "", "serve", memory.run),
    Scenario("popularity", "", "serve", scale.popularity),
    Scenario("scale", "A", "serve", scale.registered),
    Scenario("starvation", "F", "serve", starvation.run),
    Scenario("receipts", "H", "serve", receipts.run),
    Scenario("cold", "", "switch", cold.run),
    Scenario("pressure", "", "switch", pressure.run),
    Scenario("storm", "B", "switch", storm.run),
    Scenario("interference", "C", "switch", interference.run),
    Scenario("remote", "D", "switch", remote.run),
    Scenario("churn", "E", "switch", churn.run),
    Scenario("hostile", "G", "switch", hostile.run),
)


class NotRunnable(Exception):
    """The profile cannot run on this machine, or there is no such scenario. fix: what the user can do."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


def selected(verb: str, wanted: Sequence[str]) -> list[Scenario]:
    """The verb's scenarios, or those of them that `wanted` names by name or letter. Raises NotRunnable."""
    of_verb = [scenario for scenario in SCENARIOS if scenario.verb == verb]
    if not wanted:
        return of_verb
    known = {key: scenario for scenario in of_verb for key in (scenario.name, scenario.letter) if key}
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise NotRunnable(f"`bench {verb}` has no scenario {unknown[0]!r}.", f"name any of: {', '.join(known)}")
    return list(dict.fromkeys(known[name] for name in wanted))


def check_runnable(profile: Profile) -> None:
    """Raise NotRunnable if this machine lacks the profile's device."""
    if profile.device == "cuda" and not torch.cuda.is_available():
        raise NotRunnable(
            f"The profile {profile.name!r} needs a CUDA GPU and this machine has none that torch can use.",
            "run it where there is one, or use --profile cpu",
        )


Report = Callable[[Scenario, dict[str, Any]], None]


async def run(
    profile: Profile,
    scenarios: Sequence[Scenario],
    seed: int,
    report: Report,
    *,
    known: Mapping[str, Any] | None = None,
    threads: int | None = None,
) -> dict[str, Any]:
    """Run the scenarios one after another, and return the result document. Raises NotRunnable.

    report: called with each scenario and its result.   known: scenarios of an earlier result to keep.
    threads: torch's threads; None means torch's default.
    """
    check_runnable(profile)
    threads = threads or torch.get_num_threads()
    results: dict[str, Any] = dict(known or {})
    with TemporaryDirectory(prefix="openlora-bench-") as folder:
        for scenario in scenarios:
            measured_on = provenance.provenance()  # before the run, as the tree may change during it
            lab = Lab(profile, Path(folder) / scenario.name, seed, threads)
            await lab.prepare()
            results[scenario.name] = {**measured_on, **await _run_scenario(lab, scenario)}
            report(scenario, results[scenario.name])
    return document(profile, seed, results)


def document(profile: Profile, seed: int, scenarios: Mapping[str, Any]) -> dict[str, Any]:
    """A result document. Every scenario in it says when, where and at which commit it was measured."""
    return {
        "name": NAME,
        "format": FORMAT,
        "libraries": provenance.libraries(),
        "peersLeftOut": peers.unavailable(),
        "seed": seed,
        "profile": asdict(profile),
        "scenarios": dict(scenarios),
        "bars": [each.row() for each in bar_results(profile.name, scenarios)] if profile.is_standard else [],
    }


async def _run_scenario(lab: Lab, scenario: Scenario) -> dict[str, Any]:
    started, load_before = time.perf_counter(), load_average()
    try:
        result = await scenario.run(lab)
    finally:
        await lab.close()
    return {
        "letter": scenario.letter or None,
        "question": scenario.question,
        "ok": result.checks.ok,
        "checks": asdict(result.checks),
        "compared": {name: asdict(interval) for name, interval in result.compared.items()},
        "arms": result.arms,
        "notes": result.notes,
        "threads": lab.threads,
        "stepThreads": None if lab.step_threads is None else asdict(lab.step_threads),
        "tookSeconds": round(time.perf_counter() - started, 1),
        "measuredSeconds": round(lab.measured_s, 1),
        "loadAverageBefore": load_before,
        "othersShare": lab.others_share,
    }
