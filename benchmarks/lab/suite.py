"""`openlora-switchbench v1`: its scenarios, and a run of some of them as one JSON document."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch

from benchmarks import provenance as record
from benchmarks.lab import peers
from benchmarks.lab.bars import standings
from benchmarks.lab.lab import Found, Lab
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

NAME = "openlora-switchbench v1"


@dataclass(frozen=True, slots=True)
class Scenario:
    """letter: in the specification; the comparisons with peers have none."""

    name: str
    letter: str
    verb: Literal["serve", "switch"]
    run: Callable[[Lab], Awaitable[Found]]

    @property
    def question(self) -> str:
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
    """This profile cannot run on this machine, or there is no such scenario. `fix` says what to do."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


def selected(verb: str, wanted: Sequence[str]) -> list[Scenario]:
    """The verb's scenarios, or those of them that are named, by name or letter. Raises NotRunnable."""
    of_verb = [scenario for scenario in SCENARIOS if scenario.verb == verb]
    if not wanted:
        return of_verb
    known = {key: scenario for scenario in of_verb for key in (scenario.name, scenario.letter) if key}
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise NotRunnable(f"`bench {verb}` has no scenario {unknown[0]!r}.", f"name any of: {', '.join(known)}")
    return list(dict.fromkeys(known[name] for name in wanted))


def check_runnable(profile: Profile) -> None:
    """Raises NotRunnable if the profile's device is not here."""
    if profile.device == "cuda" and not torch.cuda.is_available():
        raise NotRunnable(
            f"The profile {profile.name!r} needs a CUDA GPU and this machine has none that torch can use.",
            "run it where there is one, or use --profile cpu",
        )


Tell = Callable[[Scenario, dict[str, Any]], None]


async def run(
    profile: Profile,
    scenarios: Sequence[Scenario],
    seed: int,
    tell: Tell,
    *,
    known: Mapping[str, Any] | None = None,
    threads: int | None = None,
) -> dict[str, Any]:
    """Runs the scenarios one after another; `tell` gets each with what it found. Raises NotRunnable.

    known: scenarios of an earlier result, which the new one holds too.   threads: of torch; None takes its own choice.
    """
    check_runnable(profile)
    threads = threads or torch.get_num_threads()
    found: dict[str, Any] = dict(known or {})
    with TemporaryDirectory(prefix="openlora-bench-") as folder:
        for scenario in scenarios:
            measured_on = record.provenance()  # before it runs: the tree may change while it lasts
            lab = Lab(profile, Path(folder) / scenario.name, seed, threads)
            await lab.prepare()
            found[scenario.name] = {**measured_on, **await _run_one(lab, scenario)}
            tell(scenario, found[scenario.name])
    return document(profile, seed, found)


def document(profile: Profile, seed: int, scenarios: Mapping[str, Any]) -> dict[str, Any]:
    """A result as it is written down. Every scenario says where, when and at which commit it was measured."""
    return {
        "name": NAME,
        "format": record.FORMAT,
        "libraries": record.libraries(),
        "peersLeftOut": peers.unavailable(),
        "seed": seed,
        "profile": asdict(profile),
        "scenarios": dict(scenarios),
        "bars": [each.row() for each in standings(profile.name, scenarios)] if profile.is_standard else [],
    }


async def _run_one(lab: Lab, scenario: Scenario) -> dict[str, Any]:
    started, busy = time.perf_counter(), record.load_average()
    try:
        found = await scenario.run(lab)
    finally:
        await lab.close()
    return {
        "letter": scenario.letter or None,
        "question": scenario.question,
        "ok": found.checks.ok,
        "checks": asdict(found.checks),
        "compared": {name: asdict(interval) for name, interval in found.compared.items()},
        "arms": found.arms,
        "notes": found.notes,
        "threads": lab.threads,
        "stepThreads": None if lab.step_threads is None else asdict(lab.step_threads),
        "tookSeconds": round(time.perf_counter() - started, 1),
        "measuredSeconds": round(lab.measured_s, 1),
        "loadAverageBefore": busy,
        "othersShare": lab.others_share,
    }
