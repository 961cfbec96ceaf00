"""Many adapters registered at once."""

from pathlib import Path

from benchmarks.lab.clients import closed_loop
from benchmarks.lab.lab import Lab, names
from benchmarks.lab.profiles import PROFILES

TINY = PROFILES["tiny"].quick()


async def test_adapters_registered_in_bulk_equal_those_registered_one_by_one(tmp_path: Path) -> None:
    lab = Lab(TINY, tmp_path / "lab", seed=5)
    await lab.prepare()

    bulk = await lab.service(3, home="bulk")
    registered = await lab.service(home="registered", budget_bytes=lab.adapters_bytes(3))
    for number in range(3):
        await lab.register(registered, number)

    assert [card.adapter for card in bulk.models()] == [card.adapter for card in registered.models()]
    measurement = await closed_loop(bulk, lab.requests(names(3)), 3)
    assert not any(answer.is_lost for answer in measurement.answers)
    await lab.close()


async def test_only_the_adapters_that_a_home_lacks_are_registered(tmp_path: Path) -> None:
    lab = Lab(TINY, tmp_path / "lab", seed=5)
    await lab.prepare()

    await lab.register_offline(2)
    await lab.register_offline(3)
    service = await lab.service(3)

    assert [card.name for card in service.models()] == ["base", "a0", "a1", "a2"]
    assert len({card.adapter for card in service.models()}) == 4
    sizes = [card.adapter_bytes for card in service.models()[1:]]
    assert sizes == [TINY.adapter_bytes(number) for number in range(3)], "the budgets would not hold all adapters"
    await lab.close()
