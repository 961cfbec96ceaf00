"""The installer of pinned packages."""

import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from scripts import install

Usage = namedtuple("Usage", "total used free")


def run(monkeypatch: pytest.MonkeyPatch, *, free: int = 10**12, version: tuple[int, ...] = (3, 11, 0)) -> int:
    """The installer's exit status on a disk with `free` bytes, under a Python of this version."""
    monkeypatch.setattr(sys, "argv", ["install.py", "--venv", "/nowhere", "serve"])
    monkeypatch.setattr(install.shutil, "disk_usage", lambda path: Usage(10**12, 0, free))
    monkeypatch.setattr(install.sys, "version_info", version)
    return install.main()


def test_every_pinned_package_has_its_version() -> None:
    assert install.pinned("torch").startswith("torch==")
    with pytest.raises(StopIteration):
        install.pinned("no-such-package")


@pytest.mark.parametrize("version", [(3, 10, 9), (3, 14, 0)])
def test_another_python_is_refused_before_anything_is_created(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], version: tuple[int, ...]
) -> None:
    assert run(monkeypatch, version=version) == 1
    assert "Python 3.11, 3.12 or 3.13 is needed" in capsys.readouterr().err


def test_a_full_disk_is_refused_with_both_sizes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, free=1_500_000_000) == 1
    assert "1.5 GB free; about 3 GB are needed" in capsys.readouterr().err


def test_a_step_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(target: Path, extras: list[str]) -> None:
        raise subprocess.CalledProcessError(1, ["pip", "install", *extras])

    monkeypatch.setattr(install, "install", fail)

    assert run(monkeypatch) == 1
    assert "This step failed: pip install serve" in capsys.readouterr().err


def test_a_local_file_needs_no_network_to_be_sized(tmp_path: Path) -> None:
    wheel = tmp_path / "torch 2.whl"
    wheel.write_bytes(b"x" * 1234)

    assert install.size_of(wheel.as_uri()) == 1234
