"""Nodes under measurement."""

import os
from pathlib import Path

import pytest

from benchmarks.nodes import RunningNode, running_node


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_resident_memory_is_that_of_the_process() -> None:
    assert RunningNode("http://127.0.0.1", Path(), os.getpid()).rss_bytes() > 1_000_000


def test_a_node_that_does_not_start_fails_with_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match=r"did not start[\s\S]*no-such-base"),
        running_node("--free", "--base", str(tmp_path / "no-such-base")),
    ):
        pass
