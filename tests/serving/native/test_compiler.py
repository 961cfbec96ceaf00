"""Which C compiler is found."""

from pathlib import Path

import pytest

from serving.native.compiler import COMPILERS, find_compiler


def install(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


def test_the_first_that_is_installed_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_compiler() is None

    for name in reversed(COMPILERS):
        install(tmp_path, name)

        assert find_compiler() == str(tmp_path / name)
