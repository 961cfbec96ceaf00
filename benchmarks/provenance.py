"""What a figure was measured on: the machine, the software and the commit."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from node.version import VERSION

DIRTY = "-dirty"
"""Suffix of a commit from which the measured code differs."""
_ROOT = Path(__file__).parent.parent
_LIBRARIES = ("torch", "transformers", "peft")
_NOT_CODE = (":!*.md", ":!*.svg", ":!benchmarks/results")


def provenance() -> dict[str, object]:
    """Time, version, commit and machine of a measurement that starts now."""
    return {"measuredAt": _now(), "version": VERSION, "commit": commit(), "machine": machine()}


def machine() -> dict[str, object]:
    """Processor, cores, Python and system: what a reader needs to judge a figure."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def libraries() -> dict[str, str]:
    """Versions of the libraries that decide how fast we and the peers are; "not installed" for a missing one."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def commit(root: Path = _ROOT) -> str:
    """The abbreviated commit checked out at `root`, with DIRTY appended if code differs from it.

    Changed results, Markdown and SVG files do not count as code. "unknown" for an installed copy, even one inside
    another project's clone.
    """
    if not (root / ".git").exists():
        return "unknown"
    try:
        head = _git(root, "rev-parse", "--short", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *_NOT_CODE)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + DIRTY if changed else head


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
