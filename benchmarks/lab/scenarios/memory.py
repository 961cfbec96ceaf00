"""How much memory a serving process takes beyond its budgets."""

import asyncio
import json
import statistics
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from benchmarks.lab.lab import Lab, ScenarioResult
from benchmarks.lab.memory_probe import HOME, TINY, can_measure
from benchmarks.lab.profiles import PROFILES
from benchmarks.lab.statistics import Interval, ratio_interval
from benchmarks.lab.verdict import Checks

_ARM = "a process of its own"
_BYTES = ("imported_bytes", "start_bytes", "peak_bytes", "allowed_bytes")


async def run(lab: Lab) -> ScenarioResult:
    """Peak memory of a process that serves base and adapters, less imports, over base, budgets and KV cache."""
    await lab.service(min(lab.profile.concurrency, lab.profile.adapters), home=HOME)  # ingests them all
    await Lab(PROFILES["tiny"], lab.folder / TINY, lab.seed).prepare()
    rounds = [await asyncio.to_thread(_measure_in_process, lab) for _ in range(lab.profile.rounds)]
    figures = {name: statistics.median(each["figures"][name] for each in rounds) for name in rounds[0]["figures"]}
    checks = sum((Checks(**each["checks"]) for each in rounds), Checks())
    compared: dict[str, Interval] = {}
    if can_measure():
        taken = [each["peak_bytes"] - each["imported_bytes"] for each in rounds]
        compared["memory taken / allowed"] = ratio_interval(taken, [each["allowed_bytes"] for each in rounds])
    notes = {name: statistics.median(each[name] for each in rounds) for name in _BYTES}
    return ScenarioResult({_ARM: {**figures, "turns": len(rounds)}}, compared, checks, notes)


def _measure_in_process(lab: Lab) -> dict[str, Any]:
    task = json.dumps({"profile": asdict(lab.profile), "folder": str(lab.folder), "seed": lab.seed})
    command = [sys.executable, "-m", "benchmarks.lab.memory_probe"]
    done = subprocess.run(command, input=task, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the measured process ended with {done.returncode}:\n{done.stderr[-2000:]}")
    sizes: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return sizes
