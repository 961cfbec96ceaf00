"""When an idle chain mines empty blocks. The tests set the clock."""

import pytest

from local_chain.client import RpcClient
from local_chain.idle import ACTIVE_S, BLOCK_AGE_S, IdleMiner


@pytest.fixture
def client(rpc_url: str) -> RpcClient:
    return RpcClient(rpc_url)


def test_an_old_head_gets_an_empty_block_and_a_young_one_does_not(client: RpcClient) -> None:
    miner = IdleMiner(client)

    numbers = []
    for now in (0.0, BLOCK_AGE_S - 0.1, BLOCK_AGE_S, BLOCK_AGE_S + 1, 2 * BLOCK_AGE_S):
        miner.tick(now)
        numbers.append(client.head().number)

    assert numbers == [0, 0, 1, 1, 2]


def test_an_unused_chain_comes_to_rest_and_a_transaction_wakes_it(client: RpcClient) -> None:
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
