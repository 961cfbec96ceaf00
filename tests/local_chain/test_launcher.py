"""A chain in a separate process: how it is started, adopted and ended."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from local_chain.backend import Engine
from local_chain.client import RpcClient
from local_chain.errors import (
    ChainUnreachable,
    CorruptChain,
    HomeInUse,
    PortInUse,
    WrongEngine,
)
from local_chain.home import ChainHome
from local_chain.launcher import start_chain
from local_chain.transactor import connect
from tests.local_chain.engines import DEPLOYER, OWNER, post, signed

REPOSITORY = Path(__file__).parents[2]
OWNER_PROGRAM = """
import sys, time
from pathlib import Path
from local_chain.launcher import start_chain
chain = start_chain(Path(sys.argv[1]), sys.argv[2])
print(chain.rpc_url, chain.pid, flush=True)
time.sleep(600)
"""
SENDER_PROGRAM = "import sys, httpx2; httpx2.post(sys.argv[1], content=sys.stdin.read(), timeout=30)"


def start_owner(home: Path, engine: Engine) -> tuple[subprocess.Popen[str], str, int]:
    """Another process that starts a chain and waits: its handle, the chain's URL and the chain's pid."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER_PROGRAM, str(home), engine], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert owner.stdout is not None
    rpc_url, pid = owner.stdout.readline().split()
    return owner, rpc_url, int(pid)


def eventually(condition: Callable[[], bool], timeout_s: float = 15) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def answers(rpc_url: str) -> bool:
    with suppress(ChainUnreachable):
        RpcClient(rpc_url).chain_id()
        return True
    return False


def test_a_stopped_chain_continues_at_the_next_start(home: Path, engine: Engine) -> None:
    first = start_chain(home, engine)
    web3 = connect(first.rpc_url)
    digest = web3.eth.send_raw_transaction(signed(web3, OWNER))
    block = web3.eth.wait_for_transaction_receipt(digest)["blockHash"]
    first.stop()

    second = start_chain(home, engine)

    web3 = connect(second.rpc_url)
    assert second.deployment == first.deployment
    assert web3.eth.get_transaction_receipt(digest)["blockHash"] == block
    assert web3.eth.get_transaction_count(OWNER.address) == 1
    assert web3.eth.get_logs({"fromBlock": 0, "address": second.deployment.open_token}) != []
    assert not second.adopted
    second.stop()


def test_a_running_chain_is_adopted_and_left_alone_by_stop(home: Path, engine: Engine) -> None:
    first = start_chain(home, engine)

    second = start_chain(home, engine)
    second.stop()

    assert second.adopted
    assert (second.rpc_url, second.pid, second.deployment) == (first.rpc_url, first.pid, first.deployment)
    assert first.running()
    assert answers(first.rpc_url)
    first.stop()
    assert not answers(first.rpc_url)
    assert not second.running()


def test_two_starts_at_once_share_one_chain(home: Path, engine: Engine) -> None:
    with ThreadPoolExecutor(2) as starters:
        chains = list(starters.map(lambda _: start_chain(home, engine), range(2)))

    assert sorted(chain.adopted for chain in chains) == [False, True]
    assert len({(chain.rpc_url, chain.pid, chain.deployment) for chain in chains}) == 1
    for chain in chains:
        chain.stop()


def test_a_chain_whose_owner_was_killed_ends_and_the_next_start_continues_it(home: Path, engine: Engine) -> None:
    owner, rpc_url, pid = start_owner(home, engine)
    web3 = connect(rpc_url)
    digest = web3.eth.send_raw_transaction(signed(web3, OWNER))
    web3.eth.wait_for_transaction_receipt(digest)

    owner.kill()
    owner.wait()
    again = start_chain(home, engine)

    assert not again.adopted
    assert again.pid != pid
    assert not answers(rpc_url) or again.rpc_url == rpc_url
    assert connect(again.rpc_url).eth.get_transaction_receipt(digest)["status"] == 1
    again.stop()


def test_killing_the_py_evm_chain_loses_nothing_that_was_acknowledged(home: Path) -> None:
    running = start_chain(home, "pyevm")
    web3 = connect(running.rpc_url)
    digests = []
    for _ in range(10):
        digests.append(web3.eth.send_raw_transaction(signed(web3, OWNER)))
    post(running.rpc_url, {"jsonrpc": "2.0", "id": 1, "method": "evm_increaseTime", "params": [50]})
    os.kill(running.pid, signal.SIGKILL)

    again = start_chain(home, "pyevm")

    web3 = connect(again.rpc_url)
    assert all(web3.eth.get_transaction_receipt(digest)["status"] == 1 for digest in digests)
    assert web3.eth.get_transaction_count(OWNER.address) == 10
    assert web3.eth.get_balance(DEPLOYER.address) > 0
    assert web3.eth.get_block("pending")["timestamp"] >= time.time() + 45
    web3.eth.send_raw_transaction(signed(web3, OWNER))
    assert not running.running()
    again.stop()
    running.stop()


def test_killing_the_py_evm_chain_while_it_mines_leaves_whole_blocks_only(home: Path) -> None:
    running = start_chain(home, "pyevm")
    web3 = connect(running.rpc_url)
    raws = [signed(web3, OWNER, nonce=nonce) for nonce in range(200)]
    calls = [
        {"jsonrpc": "2.0", "id": n, "method": "eth_sendRawTransaction", "params": ["0x" + raw.hex()]}
        for n, raw in enumerate(raws)
    ]
    sender = subprocess.Popen(
        [sys.executable, "-c", SENDER_PROGRAM, running.rpc_url],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert sender.stdin is not None
    sender.stdin.write(json.dumps(calls))
    sender.stdin.close()
    before = web3.eth.block_number
    assert eventually(lambda: (home / "pyevm.sqlite-wal").stat().st_size > 0)
    time.sleep(0.6)
    os.kill(running.pid, signal.SIGKILL)
    sender.wait()

    again = start_chain(home, "pyevm")

    web3 = connect(again.rpc_url)
    mined = web3.eth.get_transaction_count(OWNER.address)
    blocks = [web3.eth.get_block_receipts(number) for number in range(before + 1, web3.eth.block_number + 1)]
    assert all(len(receipts) <= 1 for receipts in blocks), "a block of this chain holds one transaction, or none"
    assert [receipt["status"] for receipts in blocks for receipt in receipts] == [1] * mined
    web3.eth.send_raw_transaction(raws[mined] if mined < 200 else signed(web3, OWNER))
    again.stop()
    running.stop()


def test_a_port_in_use_is_refused_by_its_number(home: Path, engine: Engine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(PortInUse, match=str(port)):
            start_chain(home, engine, port)

    again = start_chain(home, engine, port)
    assert again.rpc_url.endswith(f":{port}")
    again.stop()


def test_a_running_chain_is_not_moved_to_another_port(home: Path) -> None:
    running = start_chain(home)
    port = int(running.rpc_url.rsplit(":", 1)[1])

    assert start_chain(home, port=port).adopted
    with pytest.raises(HomeInUse, match=running.rpc_url):
        start_chain(home, port=port + 1)
    running.stop()


def test_the_files_of_one_engine_are_refused_to_the_other(home: Path) -> None:
    start_chain(home, "pyevm").stop()

    with pytest.raises(WrongEngine, match="--engine pyevm"):
        start_chain(home, "anvil")


def test_a_damaged_chain_is_refused_with_what_to_do_and_its_lock_is_free(home: Path) -> None:
    home.mkdir()
    (home / "pyevm.sqlite").write_bytes(b"junk" * 1000)

    with pytest.raises(CorruptChain, match="chain reset"):
        start_chain(home)

    assert not ChainHome(home).is_locked()
    ChainHome(home).reset()
    start_chain(home).stop()


def test_a_chain_that_is_locked_but_silent_is_not_taken_over(home: Path) -> None:
    with ChainHome(home).lock(), pytest.raises(HomeInUse, match=str(os.getpid())):
        start_chain(home, ending_timeout_s=0.2)


def test_a_hanging_chain_whose_owner_is_gone_is_ended_and_replaced(home: Path) -> None:
    owner, _, pid = start_owner(home, "pyevm")
    os.kill(pid, signal.SIGSTOP)
    owner.kill()
    owner.wait()

    again = start_chain(home, ending_timeout_s=0.5)

    assert again.pid != pid
    again.stop()
