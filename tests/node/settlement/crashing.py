"""A chain that breaks where it is told to, and a clock that is set by hand."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from contracts.crypto import Address, Bytes32
from node.chain.client import Call
from node.chain.errors import ChainUnavailable
from node.chain.memory import MemoryChain
from node.store.database import Database

_T = TypeVar("_T")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now


class CrashingChain(MemoryChain):
    """Stops answering before, or right after, the question that `breaks_at` counts down to."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.breaks_at: int | None = None
        self.after_effect = False

    async def send_raw(self, raw: bytes) -> Bytes32:
        self._maybe_break(effect_done=False)
        sent = await super().send_raw(raw)
        self._maybe_break(effect_done=True)
        return sent

    async def estimate_gas(self, call: Call, sender: Address) -> int:
        self._maybe_break(effect_done=False)
        return await super().estimate_gas(call, sender)

    async def inclusion(self, transaction_hash: Bytes32):  # type: ignore[no-untyped-def]
        self._maybe_break(effect_done=False)
        return await super().inclusion(transaction_hash)

    def _maybe_break(self, *, effect_done: bool) -> None:
        if self.breaks_at is None:
            return
        self.breaks_at -= 1
        if self.breaks_at < 0:
            raise ChainUnavailable("memory", "crashed here")


class Killed(BaseException):
    """The process ends here, as by SIGKILL: no code of it runs any more."""


class MortalDatabase(Database):
    """A database whose process is killed at one of its writes, before or after the write is committed."""

    dies_at: int | None = None
    committed: bool = False
    writes: int = 0

    async def write(self, change: Callable[[Session], _T]) -> _T:
        self.writes += 1
        dies = self.dies_at is not None and self.writes >= self.dies_at
        if dies and (self.writes != self.dies_at or not self.committed):
            raise Killed
        result = await super().write(change)
        if dies:
            raise Killed
        return result
