"""The index: which names mean which versions, looked up and not searched."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.adapters.index import Entry, Index, check_name
from serving.errors import InvalidRequest, StorageFailed
from serving.types import AdapterDigest


def digest(number: int) -> AdapterDigest:
    return AdapterDigest(f"{number:064x}")


def entry(source: str = "hf:o/x", pin: str = "1", *, immutable: bool = True) -> Entry:
    return Entry(source=source, pinned_source=f"{source}@{pin}", immutable=immutable, names=())


def named(index: Index, name: str, *numbers: int) -> Index:
    for number in numbers:
        index = index.with_name(name, digest(number), entry(pin=str(number)))
    return index


def test_a_name_means_its_latest_version_and_earlier_ones_by_digest() -> None:
    index = named(Index(), "x", 1, 2)

    assert index.find("x", None) == digest(2)
    assert index.find("x", digest(1)) == digest(1)
    assert index.find("x", digest(1)[:12]) is None  # both begin with zeros
    assert index.find("x", "0" * 11) is None
    assert index.find("y", digest(1)) is None
    assert index.versions_of("x") == [digest(1), digest(2)]


def test_an_immutable_source_leads_to_its_newest_version() -> None:
    index = named(Index(), "x", 1, 2)

    assert index.at("hf:o/x") == digest(2)
    assert index.at("hf:o/x@1") == digest(1)
    assert index.with_name("y", digest(3), entry("file:/x", immutable=False)).at("file:/x") is None
    assert index.without_versions("x", [digest(1)]).at("hf:o/x@1") is None


def test_a_version_goes_with_its_last_name() -> None:
    index = named(named(Index(), "x", 1, 2), "y", 1)

    without_x = index.without_name("x")

    assert (dict(without_x.names), list(without_x.versions)) == ({"y": digest(1)}, [digest(1)])
    assert without_x.without_name("y") == Index()


def test_only_earlier_versions_beyond_the_newest_are_surplus() -> None:
    index = named(Index(), "x", 1, 2, 3, 4)

    assert index.surplus("x", 2) == [digest(1)]
    assert index.surplus("x", 3) == []
    assert index.crowded(2) == {"x": [digest(1)]}
    assert index.crowded(3) == {}
    back = named(index, "x", 1)  # the oldest bytes again: they are current now
    assert back.surplus("x", 2) == [digest(2)]


@given(st.lists(st.tuples(st.sampled_from("nur"), st.sampled_from("abc"), st.integers(1, 5)), max_size=40))
def test_the_look_up_tables_are_those_made_from_names_and_versions(changes: list[tuple[str, str, int]]) -> None:
    index = Index()
    for kind, name, number in changes:
        if kind == "n":
            index = named(index, name, number)
        elif kind == "u" and name in index.names:
            index = index.without_name(name)
        elif kind == "r":
            index = index.without_versions(name, index.surplus(name, number - 1))

        assert index == Index.of(index.names, index.versions)
        assert set(index.names.values()) <= set(index.versions)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    index = named(named(Index(), "x", 2, 1), "org/y", 2)
    index.save(tmp_path / "index.json", generation=7)

    assert Index.load(tmp_path / "index.json") == (index, 7)
    assert Index.load(tmp_path / "absent.json") == (Index(), 0)


def test_an_unreadable_index_names_the_file_and_the_fix(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("{")

    with pytest.raises(StorageFailed, match="Restore it, or move it away") as refusal:
        Index.load(tmp_path / "index.json")

    assert refusal.value.path == tmp_path / "index.json"


@pytest.mark.parametrize("name", ["x", "X-1.2_3", "org/x", "a/b"])
def test_names_with_at_most_one_slash_are_accepted(name: str) -> None:
    check_name(name, "base")


@pytest.mark.parametrize("name", ["", "/x", "x/", "a/b/c", "..", "a..b", "x@y", "x+y", "base"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        check_name(name, "base")
