"""By which names and revisions an adapter may call the base."""

import pytest

from serving.adapters.base_shape import BaseShape

COMMIT = "a" * 40


def base(**fields: object) -> BaseShape:
    return BaseShape(**{"name": "tiny", "modules": {}, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "named", ["acme/Tiny", "ACME/tiny", "hf:acme/tiny@main", "/models/tiny", "C:\\models\\Tiny", "tiny"]
)
def test_a_name_of_the_base_is_recognized(named: str) -> None:
    assert base(aliases=frozenset({"acme/tiny"})).is_called(named)


@pytest.mark.parametrize("named", ["other/tiny", "acme/tiny-2", "/models/tiny/checkpoint", ""])
def test_a_name_of_another_base_is_not(named: str) -> None:
    assert not base(name="acme/tiny").is_called(named)


@pytest.mark.parametrize(
    ("own", "named", "contradicts"),
    [(COMMIT, "b" * 40, True), (COMMIT, COMMIT, False), (COMMIT, "main", False), (None, "b" * 40, False)],
)
def test_only_another_commit_contradicts_the_revision(own: str | None, named: str, contradicts: bool) -> None:
    assert base(revision=own).contradicts_revision(named) is contradicts
