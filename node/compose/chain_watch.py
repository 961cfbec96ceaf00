"""Keeps the chain of `start --dev` running: restarts its process on the same data and the same port when it ends."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from local_chain.errors import LocalChainError
from local_chain.launcher import RunningChain
from node.readiness import Check

_LOOK_EVERY_S = 0.5
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_log = structlog.get_logger("node.chain")


class ChainWatch:
    """Watches a chain that `start(port)` started, or adopted. `run` is its task; after it, `close` stops the chain.

    The chain's blocks are on disk, so a restarted chain continues where it was, and at the same URL. After a failed
    restart the next one waits twice as long, up to half a minute.
    """

    def __init__(self, chain: RunningChain, start: Callable[[int], RunningChain]) -> None:
        self._chain, self._start = chain, start
        self._port = int(chain.rpc_url.rsplit(":", 1)[1])
        self._closing = asyncio.Event()
        self._check = Check(True, "runs")
        self.restarts = 0

    async def check(self) -> Check:
        """Whether the chain's process runs, for /readyz."""
        return self._check

    async def run(self) -> None:
        """Looks after the chain until `close`."""
        while not await self._closes_within(_LOOK_EVERY_S):
            if not await asyncio.to_thread(self._chain.running):
                _log.error("dev_chain_ended", pid=self._chain.pid, rpc_url=self._chain.rpc_url)
                await self._restart()

    def stop_soon(self) -> None:
        """Lets `run` return, at the latest when a restart in progress has ended."""
        self._closing.set()

    async def close(self) -> None:
        """Stops the chain unless it was adopted. To be called after `run` has returned."""
        await asyncio.to_thread(self._chain.stop)

    async def _restart(self) -> None:
        self._check = Check(False, "its process ended; it is being restarted")
        await asyncio.to_thread(self._chain.stop)  # frees what the dead process left open in this one
        pause_s = _FIRST_PAUSE_S
        while not self._closing.is_set():
            try:
                await self._started_again()
            except LocalChainError as error:
                _log.error("dev_chain_restart_failed", reason=str(error), retry_in_s=pause_s)
                self._check = Check(False, f"its process ended, and restarting it failed: {error}")
            else:
                return
            await self._closes_within(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _started_again(self) -> None:
        again = await asyncio.to_thread(self._start, self._port)
        if again.deployment != self._chain.deployment:
            await asyncio.to_thread(again.stop)
            raise AnotherChain("the chain on disk is another one than before, as after `chain reset`: restart the node")
        self._chain = again
        self.restarts += 1
        self._check = Check(True, f"runs; restarted {self.restarts} times")
        _log.info("dev_chain_restarted", pid=again.pid, rpc_url=again.rpc_url, restarts=self.restarts)

    async def _closes_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
        return self._closing.is_set()


class AnotherChain(LocalChainError):
    """The restarted chain has another genesis or other contracts than the node works with."""
