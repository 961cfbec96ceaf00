"""Whether the operator can pay for gas."""

import pytest

from contracts.crypto import Address, to_address
from node.chain.errors import ChainUnavailable
from node.chain.memory import MemoryChain
from node.settlement.gas_probe import LOW_WEI, GasProbe

OPERATOR = to_address("0x" + "11" * 20)


class CountingChain(MemoryChain):
    """Counts how often a balance is read."""

    reads = 0

    async def funds(self, address: Address) -> int:
        type(self).reads += 1
        return await super().funds(address)


class DeadChain(MemoryChain):
    """Never answers."""

    async def funds(self, address: Address) -> int:
        raise ChainUnavailable("http://127.0.0.1:1", "it is gone")


@pytest.mark.parametrize(
    ("wei", "ok", "reason"), [(0, False, "fund 0x"), (1, True, "fund 0x"), (LOW_WEI, True, "ETH for gas")]
)
async def test_a_low_balance_is_reported_and_an_empty_one_fails(wei: int, ok: bool, reason: str) -> None:
    check = await GasProbe(MemoryChain(coins=wei), OPERATOR).check()

    assert check.ok is ok
    assert reason in check.reason


async def test_a_chain_that_does_not_answer_fails_the_check() -> None:
    check = await GasProbe(DeadChain(), OPERATOR).check()

    assert not check.ok
    assert "it is gone" in check.reason


async def test_the_balance_is_not_read_for_every_probe() -> None:
    CountingChain.reads = 0
    probe = GasProbe(CountingChain(), OPERATOR)

    for _ in range(5):
        await probe.check()

    assert CountingChain.reads == 1
