"""`python -m node` is the command line."""

import subprocess
import sys

from node.version import VERSION


def test_the_package_runs_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "node", "version"], capture_output=True, text=True, check=True)

    assert done.stdout == f"openlora-node {VERSION}\n"
