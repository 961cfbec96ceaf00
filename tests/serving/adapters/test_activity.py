"""What a node tells about its adapters costs as much with many that lie idle as with few."""

from pathlib import Path

import pytest

from serving.adapters.store import AdapterStore
from serving.frontend.catalog import Catalog, Occupancy
from serving.types import AdapterDigest
from tests.serving.adapters.conftest import OpenStore
from tests.serving.adapters.test_store_scale import populate
from tests.serving.adapters.tiny import write_adapter

REGISTERED = 500


@pytest.fixture
def digests(tmp_path: Path) -> list[AdapterDigest]:
    return populate(tmp_path / "home", REGISTERED)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of versions that were looked at meanwhile."""
    seen: list[str] = []
    original = AdapterStore._version

    def watched(self: AdapterStore, name: str, digest: AdapterDigest) -> object:
        seen.append(name)
        return original(self, name, digest)

    monkeypatch.setattr(AdapterStore, "_version", watched)
    return seen


def usage(resident: set[AdapterDigest], in_flight: dict[AdapterDigest | None, int] | None = None) -> Occupancy:
    return Occupancy(in_flight or {}, frozenset(resident), frozenset())


def test_activity_looks_at_what_is_in_memory_only(
    open_store: OpenStore, digests: list[AdapterDigest], looked_at: list[str]
) -> None:
    catalog = Catalog("base", open_store())

    activity = catalog.activity(usage({digests[3], digests[7]}), [])

    assert activity.registered == REGISTERED
    assert {card.name for card in activity.resident} == {"org/x3", "org/x7"}
    assert sorted(looked_at) == ["org/x3", "org/x7"]


def test_the_busy_models_are_those_in_memory_in_flight_and_used_last(
    open_store: OpenStore, digests: list[AdapterDigest], looked_at: list[str]
) -> None:
    catalog = Catalog("base", open_store())
    for i in (1, 2, 3, 4, 4):
        catalog.used(digests[i])
    catalog.used(None)

    cards = catalog.busy(usage({digests[9]}, {digests[8]: 2, None: 1}), others=2)

    assert cards[0].name == "base"
    assert {card.name for card in cards[1:]} >= {"org/x9", "org/x8", "org/x4", "org/x3"}
    assert {card.name: card.hits for card in cards}["org/x4"] == 2
    assert {card.name: card.in_flight for card in cards}["org/x8"] == 2
    assert len(looked_at) <= 5


async def test_an_earlier_version_in_memory_is_shown_by_its_digest(open_store: OpenStore, srv: Path) -> None:
    store = open_store()
    for seed in (1, 2):
        write_adapter(srv / f"s{seed}", seed=seed)
    first, second = [(await store.add("x", f"file:{srv}/s{seed}")).digest for seed in (1, 2)]

    cards = Catalog("base", store).activity(usage({first, second}), []).resident

    assert {card.name: card.adapter for card in cards} == {f"x@{first[:12]}": first, "x": second}
    assert [store.lookup(card.name) is not None for card in cards] == [True, True]
