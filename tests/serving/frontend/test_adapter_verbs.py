"""The operator's verbs when they overlap: a name means one whole version, and nothing is left over."""

import asyncio
import random
import shutil
from pathlib import Path

import pytest

from serving.adapters.sources.source import SourceSettings
from serving.adapters.store import KEPT_EARLIER
from serving.errors import AdapterBusy, InvalidRequest, ModelNotFound, NameTaken, ServingError, SourceUnavailable
from serving.service import Service
from serving.types import AdapterDigest, Outcome, Residency
from tests.serving.asking import ask, collect, start
from tests.serving.conftest import Folders, StartService
from tests.serving.frontend.mutable_source import MutableSource, stored, versions_of

PROMPT = [7, 8, 9]


async def test_of_two_loads_of_a_new_name_one_succeeds_and_the_other_finds_it_taken(
    service: Service, versions: list[Path]
) -> None:
    loads = [service.add_adapter("x", f"file:{each}", replace=False) for each in versions[:2]]

    results = await asyncio.gather(*loads, return_exceptions=True)

    refused = [each for each in results if isinstance(each, NameTaken)]
    (added,) = [each for each in results if not isinstance(each, BaseException)]
    assert len(refused) == 1
    assert "'x' is being added" in str(refused[0])
    assert service.model("x").adapter == added.adapter


async def test_a_failed_load_leaves_the_name_free(service: Service, versions: list[Path], tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable):
        await service.add_adapter("x", f"file:{tmp_path}/missing", replace=False)

    await service.add_adapter("x", f"file:{versions[0]}", replace=False)


async def test_the_replacement_that_began_last_is_what_the_name_means(
    service: Service, versions: list[Path], tmp_path: Path
) -> None:
    source = MutableSource(tmp_path / "source", versions[0])
    await service.add_adapter("x", source.spelled)
    await asyncio.sleep(0.3)  # nobody has written to it for a while

    for version in versions[1:4]:
        first = asyncio.create_task(service.add_adapter("x", source.spelled))
        await asyncio.sleep(0.001)
        await source.overwrite(version)
        second = await service.add_adapter("x", source.spelled)
        await first

        assert second.adapter == source.history[-1]
        assert service.model("x").adapter == source.history[-1]


async def test_weights_that_are_overwritten_while_they_are_read_arrive_whole_or_not_at_all(
    service: Service, versions: list[Path], tmp_path: Path
) -> None:
    source = MutableSource(tmp_path / "source", versions[0])

    for version in versions * 2:
        before = len(source.history) - 1
        writing = asyncio.create_task(source.overwrite(version, pause_s=0.03))
        await asyncio.sleep(random.Random(before).uniform(0, 0.05))
        card = await service.add_adapter("x", source.spelled)
        await writing

        assert card.adapter in source.history[before:]


async def test_a_source_that_never_rests_is_refused(
    start_service: StartService, versions: list[Path], tmp_path: Path
) -> None:
    service = await start_service(sources=SourceSettings(timeout_s=0.6))
    source = MutableSource(tmp_path / "source", versions[0])

    async def write_forever() -> None:
        while True:
            await source.overwrite(versions[1], pause_s=0.02)

    writing = asyncio.create_task(write_forever())
    with pytest.raises(SourceUnavailable, match="kept changing"):
        await service.add_adapter("x", source.spelled)
    writing.cancel()


async def test_unloading_frees_pinned_earlier_versions_too(service: Service, versions: list[Path]) -> None:
    used = service.stats().adapter_used_bytes
    for _ in range(4):
        await service.add_adapter("x", f"file:{versions[0]}")
        await service.pin("x")
        await loaded(service, "x")
        await service.add_adapter("x", f"file:{versions[1]}")
        await service.unpin("x")
        await service.remove_adapter("x")

        assert service.stats().adapter_used_bytes == used
    assert [card.name for card in service.busy(0) if card.pinned] == [service.base_name]


async def test_pin_unpin_and_evict_act_on_the_version_they_name(service: Service, versions: list[Path]) -> None:
    old = (await service.add_adapter("x", f"file:{versions[0]}")).adapter
    await service.pin("x")
    await loaded(service, "x")
    await service.add_adapter("x", f"file:{versions[1]}")
    await service.unpin("x")

    assert {card.name for card in service.busy(0) if card.pinned} == {service.base_name, f"x@{old[:12]}"}
    with pytest.raises(AdapterBusy, match=rf"Adapter x@{old[:12]} is pinned\. Unpin it first"):
        await service.evict(f"x@{old}")
    await service.unpin(f"x@{old[:16]}")
    await service.evict(f"x@{old}")
    assert service.model(f"x@{old}").residency is Residency.DISK


async def loaded(service: Service, model: str) -> None:
    for _ in range(500):
        if service.model(model).residency is Residency.DEVICE:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{model} was not loaded")


async def test_unload_answers_after_the_streams_of_all_versions(service: Service, versions: list[Path]) -> None:
    await service.add_adapter("x", f"file:{versions[0]}")
    old = await start(service, "x", PROMPT, 200)
    await anext(old)
    await service.add_adapter("x", f"file:{versions[1]}")

    unloading = asyncio.create_task(service.remove_adapter("x"))
    reading = asyncio.create_task(collect(old))
    await unloading

    assert old.end is not None
    assert (await reading).end.outcome is Outcome.FINISHED
    with pytest.raises(ModelNotFound):
        service.model("x")


async def test_while_a_name_leaves_every_other_verb_is_refused(service: Service, versions: list[Path]) -> None:
    await service.add_adapter("x", f"file:{versions[0]}")
    stream = await start(service, "x", PROMPT, 200)
    await anext(stream)
    leaving = asyncio.create_task(service.remove_adapter("x"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    for verb in (service.pin("x"), service.unpin("x"), service.evict("x")):
        with pytest.raises(ModelNotFound):
            await verb
    for replace in (True, False):
        with pytest.raises(AdapterBusy, match=r"Adapter x is being removed\. Try again when that has ended"):
            await service.add_adapter("x", f"file:{versions[1]}", replace=replace)
    with pytest.raises(AdapterBusy, match="being removed already"):
        await service.remove_adapter("x")
    service.abort(stream.request_id)
    await leaving
    await service.add_adapter("x", f"file:{versions[1]}", replace=False)


async def test_a_replacement_that_lands_after_the_name_was_removed_is_refused(
    service: Service, versions: list[Path], tmp_path: Path
) -> None:
    await service.add_adapter("x", f"file:{versions[0]}")
    fresh = MutableSource(tmp_path / "source", versions[1])
    await fresh.overwrite(versions[2])  # so that the load waits until the file rests

    replacing = asyncio.create_task(service.add_adapter("x", fresh.spelled))
    await asyncio.sleep(0.01)
    await service.remove_adapter("x")

    with pytest.raises(AdapterBusy, match="was removed while its new version arrived"):
        await replacing
    assert not service.has("x")


async def test_a_removal_goes_on_when_its_caller_has_left(service: Service, versions: list[Path]) -> None:
    await service.add_adapter("x", f"file:{versions[0]}")
    stream = await start(service, "x", PROMPT, 200)
    await anext(stream)
    leaving = asyncio.create_task(service.remove_adapter("x"))
    await asyncio.sleep(0.01)

    leaving.cancel()
    service.abort(stream.request_id)
    await stream.ended()
    for _ in range(500):
        if not service.has("x"):
            break
        await asyncio.sleep(0.01)

    assert not service.has("x")


async def test_a_version_is_removed_with_its_name_only(service: Service) -> None:
    digest = service.model("a0").adapter

    with pytest.raises(InvalidRequest, match="all versions of a name are removed together"):
        await service.remove_adapter(f"a0@{digest}")

    assert service.has("a0")


async def test_two_names_of_one_version_removed_at_once_leave_nothing_in_memory(
    start_service: StartService, versions: list[Path], tmp_path: Path
) -> None:
    service = await start_service()
    for name in ("x", "y"):
        await service.add_adapter(name, f"file:{versions[0]}")
    await service.pin("x")
    await loaded(service, "x")

    await asyncio.gather(service.remove_adapter("x"), service.remove_adapter("y"))

    assert service.stats().adapter_used_bytes == 0
    assert stored(tmp_path / "adapters") == set()


async def test_only_recent_pinned_or_running_versions_stay_on_disk(
    start_service: StartService, folders: Folders, tmp_path: Path
) -> None:
    service = await start_service()
    many = versions_of(folders.adapters["a0"], tmp_path, KEPT_EARLIER + 5)
    digests: list[AdapterDigest] = []
    streams = []
    for i, version in enumerate(many):
        card = await service.add_adapter("x", f"file:{version}")
        assert card.adapter is not None
        digests.append(card.adapter)
        if i == 0:
            streams.append(await start(service, "x", PROMPT, 200, granted=1))
        if i == 1:
            await service.pin("x")

    kept = {path.name for path in (tmp_path / "adapters" / "versions").iterdir()}

    assert kept == {digests[0], digests[1], *digests[-1 - KEPT_EARLIER :]}
    for stream in streams:
        service.abort(stream.request_id)
    await service.unpin(f"x@{digests[1]}")
    await service.add_adapter("x", f"file:{many[-1]}")
    kept = {path.name for path in (tmp_path / "adapters" / "versions").iterdir()}
    assert kept == set(digests[-1 - KEPT_EARLIER :])
    with pytest.raises(ModelNotFound):
        service.model(f"x@{digests[0]}")


async def test_a_configured_adapter_that_fails_is_reported_and_the_others_are_served(
    start_service: StartService, versions: list[Path], tmp_path: Path
) -> None:
    first = await start_service()
    await first.add_adapter("kept", f"file:{versions[0]}")
    await first.close()
    shutil.rmtree(versions[0])
    service = await start_service()

    for name, source in {"kept": versions[0], "good": versions[1], "bad": tmp_path / "nothing"}.items():
        await service.add_configured(name, f"file:{source}")

    assert [(each.name, "there is no such folder" in each.error) for each in service.failed_loads()] == [
        ("bad", True),
        ("kept", True),
    ]
    assert {card.name for card in service.models()} == {service.base_name, "good", "kept"}
    assert (await ask(service, "kept", PROMPT, 3)).end.outcome is Outcome.FINISHED
    await service.add_adapter("bad", f"file:{versions[2]}")
    assert [each.name for each in service.failed_loads()] == ["kept"]


async def test_refusals_are_serving_errors(service: Service) -> None:
    for verb in (service.pin, service.unpin, service.evict, service.remove_adapter):
        with pytest.raises(ServingError):
            await verb("nobody")
