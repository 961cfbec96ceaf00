"""The docstring rules catch what they exist for: ruff reads the project's own configuration."""

import subprocess
import sys

import pytest

DOCUMENTED = '"""A module."""\n\n\n'


def rules_broken(path: str, text: str) -> set[str]:
    """The docstring rules that this text would break as the file `path`."""
    command = [sys.executable, "-m", "ruff", "check", "--output-format", "concise", "--stdin-filename", path, "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return {word for word in done.stdout.split() if word.startswith("D10")}


@pytest.mark.parametrize("package", ["contracts", "serving", "attribution", "node", "local_chain", "benchmarks"])
@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("X = 1\n", "D100"),
        (DOCUMENTED + "class Slot:\n    x: int\n", "D101"),
        (DOCUMENTED + 'class Slot:\n    """A slot."""\n\n    def free(self) -> None:\n        print()\n', "D102"),
        (DOCUMENTED + "def free() -> None:\n    print()\n", "D103"),
    ],
    ids=["module", "class", "method", "function"],
)
def test_what_is_public_and_undocumented_is_refused(package: str, text: str, rule: str) -> None:
    assert rule in rules_broken(f"{package}/planted.py", text)


def test_an_undocumented_package_is_refused() -> None:
    assert rules_broken("serving/planted/__init__.py", "X = 1\n") == {"D104"}


def test_private_names_and_tests_need_no_docstring() -> None:
    private = DOCUMENTED + "def _free() -> None:\n    print()\n\n\nclass _Slot:\n    x: int\n"

    assert rules_broken("serving/planted.py", private) == set()
    assert rules_broken("tests/test_planted.py", "def test_it() -> None:\n    print()\n") == set()
