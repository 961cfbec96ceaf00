"""`python -m benchmarks.switchbench [PROFILE …]`: the scenarios behind the node's bars, in `cpu` and `ci` or as named.

Writes benchmarks/results/switchbench_PROFILE.json after every scenario. A scenario that was measured on this machine at
this commit is not measured again, so an interrupted run goes on where it was; code that is not committed has no commit
to go by, and is measured anew. About 25 minutes on two cores; `--all` adds the scenarios without bars, 25 more.
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

from benchmarks import provenance as record
from benchmarks.lab.bars import scenarios_of
from benchmarks.lab.profiles import PROFILES, Profile
from benchmarks.lab.scoreboard import shown
from benchmarks.lab.suite import SCENARIOS, Scenario, check_runnable, document, run
from benchmarks.record import RESULTS

SEED = 0
MEASURED = ("cpu", "ci")


def measure(profile: Profile, scenarios: Sequence[Scenario], path: Path, threads: int) -> list[str]:
    """Measures what the result at `path` lacks, and writes it after every scenario. Returns what failed.

    Raises NotRunnable.
    """
    check_runnable(profile)
    failed = []
    before = json.loads(path.read_text()) if path.exists() else {}
    wanted = json.loads(json.dumps(document(profile, SEED, {})))
    here = {"commit": record.commit(), "machine": record.machine(), "threads": threads}
    known = reusable(before, wanted, here)
    for number, scenario in enumerate(scenarios, 1):
        place = f"{profile.name} {number}/{len(scenarios)} {scenario.name}"
        if scenario.name in known:
            print(f"{place}: measured already", flush=True)
            continue
        print(f"{place}: {scenario.question}", flush=True)
        try:
            found = asyncio.run(run(profile, [scenario], SEED, _tell, known=known, threads=threads))
        except Exception:
            traceback.print_exc()
            failed.append(f"{profile.name} {scenario.name}")
            continue
        known = found["scenarios"]
        path.write_text(json.dumps(found, indent=2) + "\n")
    return failed


def reusable(before: Mapping[str, Any], wanted: Mapping[str, Any], here: Mapping[str, Any]) -> dict[str, Any]:
    """The scenarios of an earlier result that need not be measured again.

    wanted: a result without scenarios, as it would be written now.   here: commit, machine and threads of now.
    """
    if here["commit"] == "unknown" or here["commit"].endswith("-dirty"):
        return {}
    if any(before.get(key) != wanted[key] for key in ("format", "seed", "libraries", "profile", "peersLeftOut")):
        return {}
    scenarios: Mapping[str, Any] = before["scenarios"]
    return {name: found for name, found in scenarios.items() if all(found[key] == here[key] for key in here)}


def _tell(scenario: Scenario, found: dict[str, Any]) -> None:
    print(f"  took {found['tookSeconds']} s, of which {found['measuredSeconds']} s were measured; {found['checks']}")
    if found["othersShare"] is not None:
        print(f"  other processes took {found['othersShare']:.1%} of the processors meanwhile")
    for name, interval in found["compared"].items():
        print(f"  {name}: {interval['median']:.3g} ({interval['low']:.3g} to {interval['high']:.3g})", flush=True)


def main(words: Sequence[str] = ()) -> None:
    """Measures, and prints where the bars stand."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.switchbench", description=__doc__)
    parser.add_argument("profiles", nargs="*", metavar="PROFILE", help=f"any of {', '.join(PROFILES)}")
    parser.add_argument("--all", action="store_true", help="the scenarios without bars too")
    parser.add_argument("--again", action="store_true", help="also what was measured at this commit")
    options = parser.parse_args(words)
    profiles = options.profiles or MEASURED
    unknown = sorted(set(profiles) - set(PROFILES))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(PROFILES)}")
    failed, threads = [], torch.get_num_threads()
    for name in profiles:
        path = RESULTS / f"switchbench_{name}.json"
        if options.again:
            path.unlink(missing_ok=True)
        wanted = [each for each in SCENARIOS if options.all or each.name in scenarios_of(name)]
        failed += measure(PROFILES[name], wanted, path, threads)
    for name in profiles:
        path = RESULTS / f"switchbench_{name}.json"
        for row in json.loads(path.read_text()).get("bars", []) if path.exists() else []:
            print(f"{row['reached']:>13}  {row['figure']}: {shown(row)}, bar {row['bar']}")
    if failed:
        raise SystemExit(f"these scenarios ended with an error: {', '.join(failed)}")


if __name__ == "__main__":
    main(sys.argv[1:])
