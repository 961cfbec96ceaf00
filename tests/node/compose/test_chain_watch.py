"""The chain of `start --dev` is restarted on its data and its port when its process ends."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from local_chain.client import RpcClient
from local_chain.errors import ChainStartFailed
from local_chain.home import ChainHome
from local_chain.launcher import RunningChain, start_chain
from node.compose.chain_watch import ChainWatch


@asynccontextmanager
async def watching(watch: ChainWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(120):
            yield
    finally:
        watch.stop_soon()
        await task
        await watch.close()


async def until(watch: ChainWatch, *, ok: bool, reason: str = "", restarts: int = 0) -> None:
    while True:
        check = await watch.check()
        if check.ok is ok and reason in check.reason and watch.restarts == restarts:
            return
        await asyncio.sleep(0.02)


async def test_a_chain_whose_process_is_killed_comes_back_at_its_url_with_its_blocks(tmp_path: Path) -> None:
    first = start_chain(tmp_path)
    watch = ChainWatch(first, lambda port: start_chain(tmp_path, port=port))
    client = RpcClient(first.rpc_url)
    head = client.head()

    async with watching(watch):
        for restarts in (1, 2):
            run = ChainHome(tmp_path).announced()
            assert run is not None
            os.kill(run.pid, signal.SIGKILL)
            await until(watch, ok=True, restarts=restarts)

            assert client.head().number >= head.number
            assert client.call("eth_getBlockByHash", head.hash, False) is not None

    assert not first.running()
    assert not ChainHome(tmp_path).is_locked()


async def test_a_failed_restart_is_shown_and_tried_again(tmp_path: Path) -> None:
    first = start_chain(tmp_path)
    attempts: list[int] = []

    def start(port: int) -> RunningChain:
        attempts.append(port)
        if len(attempts) < 3:
            raise ChainStartFailed("no room on the disk")
        return start_chain(tmp_path, port=port)

    watch = ChainWatch(first, start)
    async with watching(watch):
        os.kill(first.pid, signal.SIGKILL)
        await until(watch, ok=False)
        await until(watch, ok=False, reason="no room on the disk")
        await until(watch, ok=True, restarts=1)

    assert attempts == [int(first.rpc_url.rsplit(":", 1)[1])] * 3


async def test_a_chain_that_was_reset_while_it_was_down_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    first = start_chain(tmp_path)

    def start(port: int) -> RunningChain:
        ChainHome(tmp_path).reset()
        return start_chain(tmp_path, port=port)

    watch = ChainWatch(first, start)
    async with watching(watch):
        os.kill(first.pid, signal.SIGKILL)
        await until(watch, ok=False, reason="restart the node")

    assert watch.restarts == 0
    assert not ChainHome(tmp_path).is_locked()


async def test_closing_while_the_chain_restarts_leaves_no_process_behind(tmp_path: Path) -> None:
    first = start_chain(tmp_path)
    watch = ChainWatch(first, lambda port: start_chain(tmp_path, port=port))
    async with watching(watch):
        os.kill(first.pid, signal.SIGKILL)
        await until(watch, ok=False)

    assert not ChainHome(tmp_path).is_locked()
