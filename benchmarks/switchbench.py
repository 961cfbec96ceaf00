"""`python -m benchmarks.switchbench [PROFILE …]`: the scenarios that the performance bars need, in `cpu` and `ci`.

Writes benchmarks/results/switchbench_PROFILE.json after every scenario. A scenario that was already measured on this
machine at this commit is skipped, so an interrupted run can be resumed. It takes about 25 minutes on two cores; `--all`
adds the scenarios without bars, which take 25 more. A working tree that differs from its commit is refused unless
`--allow-dirty` is given, and then every scenario is measured again.
"""

import argparse
import asyncio
import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import provenance
from benchmarks.lab.bars import scenarios_of
from benchmarks.lab.profiles import PROFILES, Profile
from benchmarks.lab.scoreboard import measured_text
from benchmarks.lab.suite import SCENARIOS, Scenario, check_runnable, document, run
from benchmarks.result import RESULTS, DirtyTree, check_clean

SEED = 0
MEASURED = ("cpu", "ci")


def measure(profile: Profile, scenarios: Sequence[Scenario], path: Path, threads: int) -> list[str]:
    """Measure the scenarios that the result at `path` lacks, and write it after each. Returns those that failed.

    threads: torch's threads. Raises NotRunnable.
    """
    check_runnable(profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    failed = []
    before = json.loads(path.read_text()) if path.exists() else {}
    wanted = json.loads(json.dumps(document(profile, SEED, {})))
    here = {"commit": provenance.commit(), "machine": provenance.machine(), "threads": threads}
    known = reusable(before, wanted, here)
    for number, scenario in enumerate(scenarios, 1):
        place = f"{profile.name} {number}/{len(scenarios)} {scenario.name}"
        if scenario.name in known:
            print(f"{place}: measured already", flush=True)
            continue
        print(f"{place}: {scenario.question}", flush=True)
        try:
            result = asyncio.run(run(profile, [scenario], SEED, _report, known=known, threads=threads))
        except Exception:
            traceback.print_exc()
            failed.append(f"{profile.name} {scenario.name}")
            continue
        known = result["scenarios"]
        path.write_text(json.dumps(result, indent=2) + "\n")
    return failed


def reusable(before: Mapping[str, Any], wanted: Mapping[str, Any], here: Mapping[str, Any]) -> dict[str, Any]:
    """The scenarios of the earlier result `before` that need not be measured again.

    wanted: an empty result as it would be written now.   here: the present commit, machine and threads.
    """
    if here["commit"] == "unknown" or here["commit"].endswith(provenance.DIRTY):
        return {}
    if any(before.get(key) != wanted[key] for key in ("format", "seed", "libraries", "profile", "peersLeftOut")):
        return {}
    scenarios: Mapping[str, Any] = before["scenarios"]
    return {name: known for name, known in scenarios.items() if all(known[key] == here[key] for key in here)}


def _report(scenario: Scenario, result: dict[str, Any]) -> None:
    print(f"  took {result['tookSeconds']} s, {result['measuredSeconds']} s of it measured; {result['checks']}")
    if result["othersShare"] is not None:
        print(f"  other processes used {result['othersShare']:.1%} of the processors meanwhile")
    for name, interval in result["compared"].items():
        print(f"  {name}: {interval['median']:.3g} ({interval['low']:.3g} to {interval['high']:.3g})", flush=True)


def measure_all(profiles: Sequence[str] = MEASURED, *, all_scenarios: bool = False, again: bool = False) -> None:
    """Measure the profiles and print which bars are reached. Exits with an error if a scenario failed.

    all_scenarios: also those without bars.   again: also what was measured at this commit.
    """
    failed, threads = [], torch.get_num_threads()
    for name in profiles:
        path = RESULTS / f"switchbench_{name}.json"
        if again:
            path.unlink(missing_ok=True)
        wanted = [each for each in SCENARIOS if all_scenarios or each.name in scenarios_of(name)]
        failed += measure(PROFILES[name], wanted, path, threads)
    for name in profiles:
        path = RESULTS / f"switchbench_{name}.json"
        for row in json.loads(path.read_text()).get("bars", []) if path.exists() else []:
            print(f"{row['reached']:>13}  {row['figure']}: {measured_text(row)}, bar {row['bar']}")
    if failed:
        raise SystemExit(f"these scenarios ended with an error: {', '.join(failed)}")


def main(words: Sequence[str] | None = None) -> None:
    """The command line. words: None means this process's."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.switchbench", description=__doc__)
    parser.add_argument("profiles", nargs="*", metavar="PROFILE", help=f"any of {', '.join(PROFILES)}")
    parser.add_argument("--all", action="store_true", help="also the scenarios without bars")
    parser.add_argument("--again", action="store_true", help="also what was already measured at this commit")
    parser.add_argument("--allow-dirty", action="store_true", help="measure code that differs from its commit")
    options = parser.parse_args(words)
    profiles = options.profiles or MEASURED
    unknown = sorted(set(profiles) - set(PROFILES))
    if unknown:
        parser.error(f"unknown profile: {', '.join(unknown)}; choose from {', '.join(PROFILES)}")
    try:
        check_clean(allow_dirty=options.allow_dirty)
    except DirtyTree as refusal:
        raise SystemExit(str(refusal)) from None
    measure_all(profiles, all_scenarios=options.all, again=options.again)


if __name__ == "__main__":
    main(sys.argv[1:])
