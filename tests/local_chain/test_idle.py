"""When an idle chain mines empty blocks. The tests set the clock."""

import pytest

from local_chain.client import Head, RpcClient
from local_chain.idle import BLOCK_AGE_S, SLOWDOWN, IdleMiner

DAY_S = 86_400


@pytest.fixture
def client(rpc_url: str) -> RpcClient:
    return RpcClient(rpc_url)


class CountedChain:
    """A chain of which only the height is kept. `mined` holds the times at which it was asked for a block."""

    def __init__(self) -> None:
        self.number, self.now, self.mined = 7, 0.0, [0.0]

    def head(self) -> Head:
        return Head(self.number, "0x", 0)

    def call(self, method: str) -> None:
        assert method == "evm_mine"
        self.number += 1
        self.mined.append(self.now)


def pass_seconds(chain: CountedChain, miner: IdleMiner, seconds: int) -> None:
    for _ in range(seconds):
        miner.tick(chain.now)
        chain.now += 1.0


def test_an_old_head_gets_an_empty_block_and_a_young_one_does_not(client: RpcClient) -> None:
    miner = IdleMiner(client)

    numbers = []
    for now in (0.0, BLOCK_AGE_S - 0.1, BLOCK_AGE_S, BLOCK_AGE_S + 1, 2 * BLOCK_AGE_S):
        miner.tick(now)
        numbers.append(client.head().number)

    assert numbers == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("window_s", [6, 120, 900, 3_600, 6 * 3_600, DAY_S])
def test_a_window_of_any_length_ends_though_nobody_transacts(window_s: int) -> None:
    chain = CountedChain()
    pass_seconds(chain, IdleMiner(chain), window_s + window_s // SLOWDOWN + 4)

    assert chain.mined[-1] >= window_s


def test_an_unused_chain_mines_ever_more_slowly() -> None:
    chain = CountedChain()
    pass_seconds(chain, IdleMiner(chain), 2 * DAY_S)

    first, second = (sum(start <= at < start + DAY_S for at in chain.mined) for start in (0, DAY_S))
    assert first < 500
    assert second < 50


def test_a_transaction_brings_the_quick_blocks_back() -> None:
    chain = CountedChain()
    miner = IdleMiner(chain)
    pass_seconds(chain, miner, DAY_S)

    chain.number += 1
    pass_seconds(chain, miner, 60)

    assert sum(at > DAY_S for at in chain.mined) >= 25
