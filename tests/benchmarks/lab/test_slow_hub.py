"""A hub that stalls and fails is only slow to those who request it."""

from pathlib import Path

from benchmarks.lab.lab import Lab
from benchmarks.lab.profiles import PROFILES
from benchmarks.lab.scenarios.remote import first_token
from benchmarks.lab.slow_hub import NetworkFaults, slow_hub
from serving.adapters.sources.source import SourceSettings


async def test_adapters_arrive_through_stalls_and_errors(tmp_path: Path) -> None:
    lab = Lab(PROFILES["tiny"].quick(), tmp_path / "lab", seed=5)
    await lab.prepare()

    with slow_hub(NetworkFaults(latency_s=0.0, stall_s=0.01, stall_every=3, fail_every=4)) as hub:
        sources = SourceSettings(hub_endpoint=hub.endpoint, pause_s=0.01)
        service = await lab.service(home="remote", sources=sources, budget_bytes=lab.adapters_bytes(4))
        arrived = [await first_token(lab, service, hub, number) for number in range(3)]
        await lab.close()

    assert hub.failed >= 1
    assert hub.stalled >= 1
    assert not any(answer.is_lost for _, answer in arrived)
    assert len({answer.adapter for _, answer in arrived}) == 3
