"""A process that is killed at any write of the outbox continues after its restart, and executes each call once."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contracts.crypto import PrivateKey, keccak, to_address
from node.chain.client import Call
from node.chain.memory import MemoryChain
from node.chain.transactions import Transaction, sign_transaction
from node.settlement.outbox import Outbox, OutboxPolicy
from tests.node.settlement.crashing import Clock, Killed, MortalDatabase

TARGET = to_address("0x" + "77" * 20)
POLICY = OutboxPolicy(confirmations=2, stuck_after_s=30, poll_s=0.001)
CALLS = [b"one", b"two"]


@dataclass
class Life:
    """One key on one chain, over a database that outlives the process."""

    database: MortalDatabase
    name: str
    chain: MemoryChain = field(default_factory=lambda: MemoryChain(automine=False))
    clock: Clock = field(default_factory=Clock)

    @property
    def key(self) -> PrivateKey:
        return PrivateKey(keccak(self.name.encode()))

    def outbox(self) -> Outbox:
        return Outbox(self.database, self.chain, self.key, self.clock, POLICY)

    async def run(self) -> None:
        """Passes every transition: signed, sent, a raised fee, a nonce used elsewhere, mined, reorganised, final."""
        outbox = self.outbox()
        await outbox.reconcile()
        for data in CALLS:
            await outbox.submit(f"{self.name}:{data!r}", Call(TARGET, data))
        await outbox.advance()
        self.clock.now += 30
        await outbox.advance()
        await self.use_a_nonce_elsewhere()
        for _ in range(3):
            await outbox.advance()
            self.chain.mine()
        self.chain.reorganise(1, keep_waiting=False)
        await self.finish()

    async def finish(self) -> None:
        outbox = self.outbox()
        for _ in range(4):
            await outbox.advance()
            self.chain.mine()
        await outbox.advance()

    async def use_a_nonce_elsewhere(self) -> None:
        if await self.chain.nonce(self.key.address) == 0:
            self.chain.forget()
            foreign = sign_transaction(Transaction(31337, 0, TARGET, b"foreign", 50_000, 10_000, 1), self.key)
            await self.chain.send_raw(foreign.raw)
            self.chain.mine()


async def test_a_kill_at_every_write_loses_and_doubles_nothing(tmp_path: Path) -> None:
    database = await MortalDatabase.open(f"sqlite:///{tmp_path}/node.db")
    await Life(database, "whole").run()
    total = database.writes
    assert total >= 15, "the history passes every transition"

    for dies_at in range(1, total + 1):
        for committed in (False, True):
            life = Life(database, f"killed at {dies_at}, committed: {committed}")
            database.writes, database.dies_at, database.committed = 0, dies_at, committed
            with pytest.raises(Killed):
                await life.run()

            database.dies_at = None
            await life.run()
            await life.finish()

            executed = [sent.call.data for sent in life.chain.executed if sent.call.data != b"foreign"]
            assert sorted(executed) == CALLS, life.name
            assert await life.outbox().unfinished() == (), life.name
    await database.close()
