"""The process whose memory is measured."""

import asyncio
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab.lab import Lab
from benchmarks.lab.memory_probe import HOME, TINY, can_measure
from benchmarks.lab.profiles import PROFILES


def reported(task: str) -> dict[str, Any]:
    """What a process with this task reports in the last line of its output."""
    command = [sys.executable, "-m", "benchmarks.lab.memory_probe"]
    done = subprocess.run(command, input=task, capture_output=True, text=True, check=True)
    sizes: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return sizes


@pytest.mark.skipif(not can_measure(), reason="needs Linux's /proc")
async def test_the_process_reports_sizes_that_grow_and_an_allowance_that_holds_the_adapters(tmp_path: Path) -> None:
    profile = PROFILES["tiny"]
    lab = Lab(profile, tmp_path / "lab", seed=5)
    await lab.prepare()
    await lab.service(profile.adapters, home=HOME)
    await Lab(profile, lab.folder / TINY, lab.seed).prepare()
    task = json.dumps({"profile": asdict(profile), "folder": str(lab.folder), "seed": lab.seed})

    sizes = await asyncio.to_thread(reported, task)

    assert 0 < sizes["imported_bytes"] <= sizes["start_bytes"] <= sizes["peak_bytes"]
    assert sizes["allowed_bytes"] >= lab.adapters_bytes(profile.adapters)
    assert sizes["checks"]["lost"] == 0
    await lab.close()
