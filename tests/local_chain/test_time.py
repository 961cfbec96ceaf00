"""The clock of a chain, which tests move on separate chains: time never goes back."""

import time
from pathlib import Path

from local_chain.backend import Engine
from local_chain.client import RpcClient
from local_chain.launcher import start_chain
from tests.local_chain.engines import OWNER, Chain


def test_increased_time_counts_from_the_next_block_and_survives_a_restart(home: Path, engine: Engine) -> None:
    first = start_chain(home, engine)
    chain = Chain(first.rpc_url, first.deployment)

    chain.rpc("evm_increaseTime", 3_600)
    chain.rpc("evm_mine")

    head = chain.web3.eth.get_block("latest")
    assert 3_590 < head["timestamp"] - time.time() < 3_610
    assert chain.web3.eth.get_block(head["number"] - 1)["timestamp"] <= time.time()
    first.stop()
    second = start_chain(home, engine)
    later = Chain(second.rpc_url, second.deployment)
    digest = later.web3.eth.send_raw_transaction(later.signed(OWNER))
    mined = later.web3.eth.get_block(later.web3.eth.wait_for_transaction_receipt(digest)["blockNumber"])
    assert mined["timestamp"] >= head["timestamp"]
    second.stop()


def test_an_idle_chain_mines_empty_blocks_so_that_a_window_can_pass(home: Path, engine: Engine) -> None:
    running = start_chain(home, engine)
    client = RpcClient(running.rpc_url)
    start = client.head()

    deadline = time.monotonic() + 20
    while client.head().number == start.number and time.monotonic() < deadline:
        time.sleep(0.2)

    assert client.head().number > start.number
    assert start.timestamp < client.head().timestamp <= time.time()
    running.stop()
