"""What a figure was measured on: the machine, the software and the commit."""

import math
import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from node.version import VERSION

FORMAT = 2
"""Of the benchmark's result: raised when a reader of older ones would misread it."""
_ROOT = Path(__file__).parent.parent
_LIBRARIES = ("torch", "transformers", "peft")
_NOT_CODE = (":!*.md", ":!*.svg", ":!benchmarks/results")


def provenance() -> dict[str, object]:
    """When, at which version and commit, and on what."""
    return {"measuredAt": _now(), "version": VERSION, "commit": commit(), "machine": machine()}


def machine() -> dict[str, object]:
    """Processor, cores and Python: what a reader needs to judge a figure."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def load_average() -> float | None:
    """Runnable processes over the last minute, our own included; None where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def others_s(stat: Path = Path("/proc/stat")) -> float:
    """Processor seconds that everybody but this process has used since the system's start, or that its host took away.

    Not a number where the system does not tell. Source: proc(5), /proc/stat.
    """
    if not stat.exists():
        return math.nan
    user, nice, system, _, _, irq, softirq, steal = map(int, stat.read_text().split(maxsplit=9)[1:9])
    busy_s = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return busy_s - time.process_time()


def libraries() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit(root: Path = _ROOT) -> str:
    """What is checked out at `root`, with "-dirty" if code differs from it; results and texts may.

    "unknown" for an installed copy, also one that lies in somebody else's clone.
    """
    if not (root / ".git").exists():
        return "unknown"
    try:
        found = _git(root, "rev-parse", "--short", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *_NOT_CODE)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{found}-dirty" if changed else found


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
