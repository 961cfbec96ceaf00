"""The state machine of a name: which verb may begin in which stage, and which of several loads counts."""

import asyncio

import pytest

from serving.errors import AdapterBusy, ModelNotFound, NameTaken
from serving.frontend.name_stages import NameStages, Stage


class Names:
    """The state machine, and the set of names that a store would serve."""

    def __init__(self) -> None:
        self.served: set[str] = set()
        self.stages = NameStages(self.served.__contains__)


@pytest.fixture
def names() -> Names:
    return Names()


def bring_to(names: Names, stage: Stage) -> None:
    """`x` in a stage, by public verbs only."""
    if stage in (Stage.SERVED, Stage.REPLACING):
        names.served.add("x")
    if stage in (Stage.ADDING, Stage.REPLACING):
        names.stages.begin_load("x", replace=True)


@pytest.mark.parametrize("stage", [Stage.ABSENT, Stage.ADDING, Stage.SERVED, Stage.REPLACING])
def test_the_stage_follows_from_loads_under_way_and_what_is_served(stage: Stage, names: Names) -> None:
    bring_to(names, stage)

    assert names.stages.of("x") is stage
    assert names.stages.of("y") is Stage.ABSENT


@pytest.mark.parametrize("stage", [Stage.ADDING, Stage.SERVED, Stage.REPLACING])
def test_a_name_can_be_added_only_once_and_replaced_at_any_time(stage: Stage, names: Names) -> None:
    bring_to(names, stage)

    with pytest.raises(NameTaken, match=f"'x' {stage.value}"):
        names.stages.begin_load("x", replace=False)
    names.stages.begin_load("x", replace=True)
    names.stages.begin_load("y", replace=False)


def test_a_load_that_ends_unpublished_leaves_no_trace(names: Names) -> None:
    names.stages.end_load(names.stages.begin_load("x", replace=False))

    assert names.stages.of("x") is Stage.ABSENT


@pytest.mark.parametrize("stage", [Stage.ABSENT, Stage.ADDING])
async def test_what_is_not_served_cannot_be_removed(stage: Stage, names: Names) -> None:
    bring_to(names, stage)

    with pytest.raises(ModelNotFound):
        async with names.stages.leaving("x"):
            pass


@pytest.mark.parametrize("later_first", [True, False])
async def test_the_load_that_began_last_counts_in_whatever_order_they_land(names: Names, *, later_first: bool) -> None:
    earlier, later = (names.stages.begin_load("x", replace=True) for _ in range(2))
    published = []

    for load in (later, earlier) if later_first else (earlier, later):
        async with names.stages.publishing(load) as counts:
            published.append(counts)
        names.stages.end_load(load)

    assert published == ([True, False] if later_first else [True, True])


async def test_a_load_that_failed_to_publish_does_not_hide_an_earlier_one(names: Names) -> None:
    earlier, later = (names.stages.begin_load("x", replace=True) for _ in range(2))
    with pytest.raises(OSError, match="full"):
        async with names.stages.publishing(later):
            raise OSError("the disk is full")

    async with names.stages.publishing(earlier) as counts:
        assert counts


async def test_a_name_that_leaves_takes_nothing_and_refuses_loads_that_land_late(names: Names) -> None:
    bring_to(names, Stage.SERVED)
    load = names.stages.begin_load("x", replace=True)

    async with names.stages.leaving("x"):
        assert names.stages.of("x") is Stage.LEAVING
        assert names.stages.is_leaving("x")
        with pytest.raises(AdapterBusy, match=r"is being removed\. Try again"):
            names.stages.begin_load("x", replace=True)
        with pytest.raises(AdapterBusy, match="is being removed already"):
            async with names.stages.leaving("x"):
                pass
        names.served.discard("x")

    assert names.stages.of("x") is Stage.ABSENT
    again = names.stages.begin_load("x", replace=False)
    with pytest.raises(AdapterBusy, match="was removed while its new version arrived"):
        async with names.stages.publishing(load):
            pass
    names.stages.end_load(load)
    assert names.stages.of("x") is Stage.ADDING
    async with names.stages.publishing(again) as counts:
        assert counts


async def test_a_removal_that_fails_leaves_the_name_served(names: Names) -> None:
    bring_to(names, Stage.SERVED)

    with pytest.raises(OSError, match="full"):
        async with names.stages.leaving("x"):
            raise OSError("the disk is full")

    assert names.stages.of("x") is Stage.SERVED


async def test_a_removal_waits_for_a_version_that_is_being_recorded(names: Names) -> None:
    bring_to(names, Stage.REPLACING)
    load = names.stages.begin_load("x", replace=True)
    order = []

    async def remove() -> None:
        async with names.stages.leaving("x"):
            order.append("removed")

    async with names.stages.publishing(load):
        removing = asyncio.create_task(remove())
        await asyncio.sleep(0)
        order.append("recorded")
    await removing

    assert order == ["recorded", "removed"]
