"""`python -m benchmarks.lab.memory_probe`: a process that only serves, and reports how much memory that took.

It reads {profile, folder, seed} from stdin as JSON, where the folder holds a base and adapters. The last line of its
output is the result as JSON.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.lab.clients import closed_loop
from benchmarks.lab.lab import BASE, Lab, names
from benchmarks.lab.profiles import PROFILES, Profile
from benchmarks.lab.verdict import check

HOME, TINY = "memory", "tiny"
_STATUS = Path("/proc/self/status")


def can_measure() -> bool:
    """Whether this system reports a process's peak memory (Linux does); elsewhere all sizes are reported as 0."""
    return _STATUS.exists()


async def measure_memory(profile: Profile, folder: Path, seed: int) -> dict[str, Any]:
    """Serve two requests for the base and for each adapter, and report sizes in bytes, figures and checks.

    imported_bytes: resident memory after a tiny model was served, so that everything has been imported.
    start_bytes: peak until the service was ready.   peak_bytes: peak over all.
    allowed_bytes: size of the base plus the budgets of adapters and KV cache.
    """
    tiny = Lab(PROFILES["tiny"], folder / TINY, seed)
    await (await tiny.service()).close()
    imported_bytes = _resident_bytes("VmRSS")
    lab = Lab(profile, folder, seed)
    adapters = min(profile.concurrency, profile.adapters)
    service = await lab.service(adapters, home=HOME)
    start_bytes = _resident_bytes("VmHWM")
    models = [BASE, *names(adapters)]
    load = await closed_loop(service, lab.requests(2 * models), profile.concurrency)
    peak_bytes = _resident_bytes("VmHWM")
    checks = await check(service, load.answers, lab.rng)
    stats = service.stats()
    base_bytes = sum(file.stat().st_size for file in lab.base.glob("*.safetensors"))
    await service.close()
    return {
        "imported_bytes": imported_bytes,
        "start_bytes": start_bytes,
        "peak_bytes": peak_bytes,
        "allowed_bytes": base_bytes + stats.adapter_budget_bytes + stats.kv_budget_bytes,
        "figures": load.figures(),
        "checks": asdict(checks),
    }


def _resident_bytes(field: str) -> int:
    if not can_measure():
        return 0
    lines = _STATUS.read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def main() -> None:
    """Read the task from stdin, serve, and print the result."""
    task: Mapping[str, Any] = json.load(sys.stdin)
    result = asyncio.run(measure_memory(Profile.restored(task["profile"]), Path(task["folder"]), task["seed"]))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
