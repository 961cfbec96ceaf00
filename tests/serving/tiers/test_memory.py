"""The memory that budgets are derived from."""

from pathlib import Path

from serving.tiers.memory import available_bytes


def test_a_containers_limit_counts_if_it_is_tighter_than_the_system(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    5000 kB\n")

    assert available_bytes(tmp_path / "meminfo", tmp_path / "none") == 5000 * 1024

    (tmp_path / "memory.max").write_text("2000000\n")
    (tmp_path / "memory.current").write_text("500000\n")
    assert available_bytes(tmp_path / "meminfo", tmp_path) == 1_500_000

    (tmp_path / "memory.max").write_text("max\n")
    assert available_bytes(tmp_path / "meminfo", tmp_path) == 5000 * 1024
