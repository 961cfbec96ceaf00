"""Node.js and the npm packages of contracts/. A missing prerequisite fails a test and names what to install."""

import shutil
import subprocess
from pathlib import Path

import pytest

CONTRACTS = Path(__file__).parents[2] / "contracts"


def run_script(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a script of contracts/ with Node.js and returns its exit code and output."""
    node = shutil.which("node")
    if node is None:
        pytest.fail("Node.js (20 or newer) is missing: the contracts cannot be compiled. Install Node.js.")
    if not (CONTRACTS / "node_modules").is_dir():
        pytest.fail("the compiler is missing. Run: npm --prefix contracts install --ignore-scripts")
    command = [node, CONTRACTS / name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
