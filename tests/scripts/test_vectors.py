"""The committed test vectors are those that the code gives."""

import pytest

from scripts.vectors import FILES, FOLDER, main, rendered


@pytest.mark.parametrize("name", FILES)
def test_the_committed_vectors_are_current(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text() == rendered(name), "run: python -m scripts.vectors"


def test_the_check_agrees() -> None:
    assert main(["--check"]) == 0


def test_no_other_file_lies_beside_the_vectors() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(FILES)
