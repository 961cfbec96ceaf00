"""Settles the ledger of a home while no node serves it: for a machine whose GPU or model is gone."""

import asyncio
import signal
import time

import structlog

from node.compose.settling import settling_home
from node.config import Settings
from node.home.lock import owned
from node.readiness import Progress

_log = structlog.get_logger("node.settle_only")


def settle_once(settings: Settings, progress: Progress, wait_s: float) -> dict[str, object]:
    """One cycle, whatever the gas costs, after open demands are answered; its report and the state after it.

    wait_s: how long to wait for the newest window to end. Blocks.

    Raises HomeLocked if a node runs in the home, and what a start and a cycle raise.
    """

    async def settle() -> dict[str, object]:
        async with settling_home(settings, progress) as money:
            await money.loop.turn()
            report = await money.settlement.cycle.run(int(time.time()), force=True, wait_s=wait_s)
            return {"cycle": report.to_json(), "status": await money.settlement.report()}

    with owned(settings.home):
        return asyncio.run(settle())


def settle_on(settings: Settings, progress: Progress) -> None:
    """Follows the chain, settles, claims from payers who withdraw, and answers demands, until SIGINT or SIGTERM.

    Blocks. Raises HomeLocked if a node runs in the home, and what a start raises.
    """

    async def follow() -> None:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        async with settling_home(settings, progress) as money, money.loop.running():
            _log.info("settling_only", vault=money.receiver.vault, every_s=settings.settle_every_s)
            await stopped.wait()
        _log.info("settling_ended")

    with owned(settings.home):
        asyncio.run(follow())
