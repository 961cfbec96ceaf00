"""`python -m benchmarks.lab.weighing`: a process that only serves, and says how much memory that took.

Reads {profile, folder, seed} from stdin as JSON, for a folder with a base and adapters; its last line is the result.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.lab.lab import BASE, Lab, names
from benchmarks.lab.load import closed_loop
from benchmarks.lab.profiles import PROFILES, Profile
from benchmarks.lab.verdict import check

HOME, TINY = "weighed", "tiny"
_STATUS = Path("/proc/self/status")


def weighable() -> bool:
    """Whether this system tells a process how much memory it has taken at most; if not, that is told as 0."""
    return _STATUS.exists()


async def weigh(profile: Profile, folder: Path, seed: int) -> dict[str, Any]:
    """Serves base and adapters by turns to all callers, twice; memory in bytes.

    imported: held once the code was there, also what is imported only when a model is loaded: a tiny one has been.
    start: held at most until it could serve.   peak: held at most.   allowed: base, and the budgets of adapters and KV.
    """
    tiny = Lab(PROFILES["tiny"], folder / TINY, seed)
    await (await tiny.service()).close()
    imported_bytes = _resident_bytes("VmRSS")
    lab = Lab(profile, folder, seed)
    adapters = min(profile.concurrency, profile.adapters)
    service = await lab.service(adapters, home=HOME)
    start_bytes = _resident_bytes("VmHWM")
    models = [BASE, *names(adapters)]
    load = await closed_loop(service, lab.asks(2 * models), profile.concurrency)
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
    if not weighable():
        return 0
    lines = _STATUS.read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def main() -> None:
    told: Mapping[str, Any] = json.load(sys.stdin)
    print(json.dumps(asyncio.run(weigh(Profile.restored(told["profile"]), Path(told["folder"]), told["seed"]))))


if __name__ == "__main__":
    main()
