"""Open files: the soft limit is raised, and the connections always leave room for the rest of the node."""

import resource
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.process.descriptors import LEAST_FILES, allowance

PROGRAM = "from node.process.descriptors import raise_file_limit; print(raise_file_limit())"


@given(st.integers(LEAST_FILES, 1 << 20), st.integers(1, 1 << 20))
def test_connections_and_what_is_accepted_too_much_never_use_up_the_files(limit: int, wanted: int) -> None:
    allowed = allowance(limit, wanted)

    assert 1 <= allowed.connections <= wanted
    assert 1 <= allowed.backlog <= 128
    assert allowed.connections + 4 * allowed.backlog <= limit - 128


@pytest.mark.parametrize(("soft", "hard", "raised"), [(64, 1000, 1000), (300, 300, 300)])
def test_the_soft_limit_is_raised_to_the_hard_one(soft: int, hard: int, raised: int) -> None:
    run = _limited(soft, hard)

    assert (run.returncode, run.stdout.strip()) == (0, str(raised))


def test_a_limit_that_is_too_low_and_cannot_be_raised_is_refused_with_what_to_do() -> None:
    run = _limited(64, 64)

    assert run.returncode != 0
    assert "TooFewDescriptors" in run.stderr
    assert "may open 64 files" in run.stderr
    assert "ulimit -n" in run.stderr


def _limited(soft: int, hard: int) -> subprocess.CompletedProcess[str]:
    def limit() -> None:  # the child lowers its own limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    return subprocess.run(
        [sys.executable, "-c", PROGRAM], preexec_fn=limit, capture_output=True, text=True, check=False
    )
