"""How busy other programs keep the processors."""

import math
import os
import time
from pathlib import Path

import pytest

from benchmarks.processors import others_s, others_share


def test_what_others_used_is_what_was_busy_less_our_own(tmp_path: Path) -> None:
    stat, tick_s = tmp_path / "stat", 1 / os.sysconf("SC_CLK_TCK")

    stat.write_text("cpu  100000 2000 30000 999999 888888 40 50 600 7 8\ncpu0 1 2 3\n")

    busy_s = 132_690 * tick_s  # neither idle, nor waiting for a disk, nor a guest, whose time the user's holds
    assert others_s(stat) == pytest.approx(busy_s - time.process_time(), abs=0.5)
    assert math.isnan(others_s(tmp_path / "none"))


def test_the_share_of_others_is_taken_of_all_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)

    assert others_share(2.0, 10.0) == pytest.approx(0.05)


@pytest.mark.parametrize("others", [-0.4, -1e-9, 0.0])
def test_the_share_of_others_is_never_negative(others: float) -> None:
    share = others_share(others, 10.0)

    assert share == 0
    assert f"{share:.0f}" == "0", "a negative zero would print a sign"


def test_the_share_of_others_is_unknown_without_time_or_figures() -> None:
    assert others_share(1.0, 0.0) is None
    assert others_share(math.nan, 10.0) is None
