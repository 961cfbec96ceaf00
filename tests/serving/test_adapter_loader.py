"""The loader: disk to host to device, one report for each load, and a pause after a failure."""

import queue

import torch

from serving.adapter_loader import AdapterLoader
from serving.adapters.blob import AdapterBlob, Allocate
from serving.adapters.load_stages import LoadStages
from serving.engine.mailbox import AdapterFailed, AdapterLoaded, Command
from serving.errors import ModelNotFound, NotReady
from serving.types import AdapterDigest
from tests.serving.tiers.test_host_tier import tier


def load(loader: AdapterLoader, name: str) -> Command:
    """The report of one load."""
    reports: queue.SimpleQueue[Command] = queue.SimpleQueue()
    loader.start(AdapterDigest(name), reports.put)
    return reports.get(timeout=20)


def test_a_loader_for_a_gpu_reads_once_copies_each_time_and_times_the_stages() -> None:
    host, disk, _ = tier(2)

    def read(adapter: AdapterDigest, allocate: Allocate, stages: LoadStages) -> AdapterBlob:
        blob = disk.read(adapter, allocate)
        stages.ended("read")
        return blob

    loader = AdapterLoader(read, torch.device("cuda"), host, lambda buffer: buffer.clone())
    first, second, third = (load(loader, name) for name in ("1", "1", "broken"))
    loader.close()

    assert isinstance(first, AdapterLoaded)
    assert isinstance(second, AdapterLoaded)
    assert isinstance(third, AdapterFailed)
    assert ([*first.stages], [*second.stages]) == (["wait", "read", "copy"], ["wait", "copy"])
    assert first.took_s == first.stages["read"] + first.stages["copy"]
    assert disk.reads == ["1", "broken"]
    a = second.slot.modules["m"].a
    assert torch.equal(a, first.slot.modules["m"].a)
    assert a.data_ptr() != first.slot.modules["m"].a.data_ptr()
    host.check_integrity()


def test_an_adapter_that_cannot_be_loaded_is_not_tried_for_a_while_and_delays_no_other() -> None:
    _, disk, _ = tier(0)
    loader = AdapterLoader(lambda adapter, allocate, stages: disk.read(adapter, allocate), torch.device("cpu"))
    reports = [load(loader, name) for name in ("broken", "broken", "1", "broken")]

    assert [isinstance(report, AdapterLoaded) for report in reports] == [False, False, True, False]
    assert disk.reads == ["broken", "1"]
    assert all("cut short" in report.error for report in reports if isinstance(report, AdapterFailed))
    loader.forget(AdapterDigest("broken"))  # it was removed; an adapter that is added again starts without a pause
    load(loader, "broken")
    assert disk.reads == ["broken", "1", "broken"]
    loader.close()


def test_an_adapter_that_was_removed_meanwhile_is_loaded_at_once_when_it_is_back() -> None:
    _, disk, _ = tier(0)
    served: set[str] = set()

    def read(adapter: AdapterDigest, allocate: Allocate, stages: LoadStages) -> AdapterBlob:
        if adapter not in served:
            raise ModelNotFound(adapter)
        return disk.read(adapter, allocate)

    loader = AdapterLoader(read, torch.device("cpu"))
    absent = load(loader, "1")
    served.add("1")
    back = load(loader, "1")
    loader.close()

    assert [isinstance(report, AdapterLoaded) for report in (absent, back)] == [False, True]


def test_an_error_of_our_own_is_reported_without_its_text() -> None:
    def read(adapter: AdapterDigest, allocate: Allocate, stages: LoadStages) -> AdapterBlob:
        raise RuntimeError("/home/operator/secret")

    loader = AdapterLoader(read, torch.device("cpu"))
    report = load(loader, "x")
    loader.close()

    assert isinstance(report, AdapterFailed)
    assert "secret" not in report.error


def test_an_engine_that_has_stopped_ends_no_loader_thread() -> None:
    _, disk, _ = tier(0)
    loader = AdapterLoader(lambda adapter, allocate, stages: disk.read(adapter, allocate), torch.device("cpu"))
    refused: queue.SimpleQueue[Command] = queue.SimpleQueue()

    def refuse(command: Command) -> None:
        refused.put(command)
        raise NotReady("The engine has stopped.")

    for _ in range(4):  # more than there are threads
        loader.start(AdapterDigest("1"), refuse)

    assert [isinstance(refused.get(timeout=20), AdapterLoaded) for _ in range(4)] == [True] * 4
    assert isinstance(load(loader, "1"), AdapterLoaded)
    loader.close()
