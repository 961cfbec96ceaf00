"""The catalog: what names mean, and reports whose cost does not grow with the number of idle adapters."""

from pathlib import Path

import pytest

from serving.adapters.store import AdapterStore, AdapterVersion
from serving.errors import ModelNotFound
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
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[AdapterDigest]:
    """The versions that were looked up in the store meanwhile; a listing of all of them fails."""
    seen: list[AdapterDigest] = []
    original = AdapterStore.named

    def named(self: AdapterStore, digest: AdapterDigest) -> list[AdapterVersion]:
        seen.append(digest)
        return original(self, digest)

    monkeypatch.setattr(AdapterStore, "named", named)
    monkeypatch.setattr(AdapterStore, "versions", lambda *arguments: pytest.fail("all versions were listed"))
    return seen


def occupancy(resident: set[AdapterDigest], in_flight: dict[AdapterDigest | None, int] | None = None) -> Occupancy:
    return Occupancy(in_flight or {}, frozenset(resident), frozenset())


def test_activity_looks_at_what_is_in_memory_only(
    open_store: OpenStore, digests: list[AdapterDigest], looked_at: list[AdapterDigest]
) -> None:
    catalog = Catalog("base", open_store())

    activity = catalog.activity(occupancy({digests[3], digests[7]}), [])

    assert activity.registered == REGISTERED
    assert {card.name for card in activity.resident} == {"org/x3", "org/x7"}
    assert set(looked_at) == {digests[3], digests[7]}


def test_the_busy_models_are_those_in_memory_in_flight_and_used_last(
    open_store: OpenStore, digests: list[AdapterDigest], looked_at: list[AdapterDigest]
) -> None:
    catalog = Catalog("base", open_store())
    for i in (1, 2, 3, 4, 4):
        catalog.used(digests[i])
    catalog.used(None)

    cards = catalog.busy(occupancy({digests[9]}, {digests[8]: 2, None: 1}), others=2)

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

    cards = Catalog("base", store).activity(occupancy({first, second}), []).resident

    assert {card.name: card.adapter for card in cards} == {f"x@{first[:12]}": first, "x": second}
    assert [store.lookup(card.name) is not None for card in cards] == [True, True]


async def test_a_name_that_leaves_or_a_version_that_is_hidden_is_not_found(open_store: OpenStore, srv: Path) -> None:
    store = open_store()
    catalog = Catalog("base", store)
    for seed in (1, 2):
        write_adapter(srv / f"s{seed}", seed=seed)
    first, second = [(await store.add("x", f"file:{srv}/s{seed}")).digest for seed in (1, 2)]

    with catalog.hidden("x", first):
        assert catalog.adapter("x").digest == second
        with pytest.raises(ModelNotFound):
            catalog.adapter(f"x@{first}")
    async with catalog.stages.leaving("x"):
        for model in ("x", f"x@{first}"):
            with pytest.raises(ModelNotFound):
                catalog.resolve(model)
        assert catalog.has("x")


def test_the_base_is_a_model_and_no_adapter(open_store: OpenStore) -> None:
    catalog = Catalog("base", open_store())

    assert catalog.resolve("base") is None
    assert catalog.has("base")
    assert catalog.card(None, occupancy(set(), {None: 3})).in_flight == 3
    assert (catalog.without_base("base:x"), catalog.without_base("x")) == ("x", "x")
    with pytest.raises(ModelNotFound):
        catalog.adapter("base")
