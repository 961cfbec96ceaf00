"""`openlora-switchbench v1`: its scenarios, and a run of some of them as one JSON document."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import torch

from node.bench import peers, record
from node.bench.lab import Found, Lab
from node.bench.profiles import Profile
from node.bench.scenarios import (
    churn,
    hostile,
    interference,
    receipts,
    remote,
    scale,
    starvation,
    storm,
    throughput,
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
    Scenario("solo", "", "serve", throughput.one_at_a_time),
    Scenario("popularity", "", "serve", scale.popularity),
    Scenario("scale", "A", "serve", scale.registered),
    Scenario("starvation", "F", "serve", starvation.run),
    Scenario("receipts", "H", "serve", receipts.run),
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


async def run(
    profile: Profile, scenarios: Sequence[Scenario], seed: int, tell: Callable[[Scenario, dict[str, object]], None]
) -> dict[str, object]:
    """Runs the scenarios one after another; `tell` gets each with what it found. Raises NotRunnable."""
    check_runnable(profile)
    found: dict[str, object] = {}
    measured_on = record.provenance()  # before the run: the tree may change while it lasts
    with TemporaryDirectory(prefix="openlora-bench-") as folder:
        for scenario in scenarios:
            lab = Lab(profile, Path(folder) / scenario.name, seed)
            await lab.prepare()
            found[scenario.name] = document = await _run_one(lab, scenario)
            tell(scenario, document)
    return {
        "name": NAME,
        **measured_on,
        "libraries": record.libraries(),
        "threads": torch.get_num_threads(),
        "peersLeftOut": peers.unavailable(),
        "seed": seed,
        "profile": asdict(profile),
        "scenarios": found,
    }


async def _run_one(lab: Lab, scenario: Scenario) -> dict[str, object]:
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
        "ratios": {name: asdict(interval) for name, interval in found.ratios.items()},
        "arms": found.arms,
        "notes": found.notes,
        "tookSeconds": round(time.perf_counter() - started, 1),
        "loadAverageBefore": busy,
    }
