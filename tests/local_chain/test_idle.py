"""When an idle chain mines by itself; the clock of the rule is the test's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_chain.client import RpcClient
from local_chain.idle import ACTIVE_S, BLOCK_AGE_S, IdleMiner
from local_chain.pyevm.backend import PyevmBackend


@pytest.fixture
def client(tmp_path: Path) -> Iterator[RpcClient]:
    backend = PyevmBackend(tmp_path)
    backend.start(0)
    yield RpcClient(backend.rpc_url)
    backend.stop()


def test_a_head_that_grew_old_gets_an_empty_block_and_a_young_one_does_not(client: RpcClient) -> None:
    miner = IdleMiner(client)

    numbers = []
    for now in (0.0, BLOCK_AGE_S - 0.1, BLOCK_AGE_S, BLOCK_AGE_S + 1, 2 * BLOCK_AGE_S):
        miner.tick(now)
        numbers.append(client.head().number)

    assert numbers == [0, 0, 1, 1, 2]


def test_a_chain_nobody_uses_comes_to_rest_and_a_transaction_wakes_it(client: RpcClient) -> None:
    miner = IdleMiner(client)
    for now in range(int(2 * ACTIVE_S)):
        miner.tick(float(now))
    rested = client.head().number

    miner.tick(2 * ACTIVE_S + 100)
    still = client.head().number
    client.call("evm_mine")
    for now in range(5):
        miner.tick(2 * ACTIVE_S + 101 + now)

    assert rested == still == ACTIVE_S / BLOCK_AGE_S - 1
    assert client.head().number == still + 3
