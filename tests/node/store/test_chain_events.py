"""Stored events of the chain and their checkpoints."""

from contracts.crypto import keccak, to_address
from node.store import chain_events, outbox
from node.store.chain_events import KEPT_CHECKPOINTS, Checkpoint, StoredEvent
from node.store.database import Database

SENDER, OTHER, TO = (to_address("0x" + digit * 40) for digit in "123")


def event(block: int, fork: str = "a", index: int = 0) -> StoredEvent:
    block_hash = keccak(b"%d %s" % (block, fork.encode()))
    return StoredEvent(block, block_hash, index, keccak(b"transaction"), TO, bytes(96), b"payload")


def checkpoint(block: int, fork: str = "a") -> Checkpoint:
    return Checkpoint(block, event(block, fork).block_hash)


async def test_a_reorganised_chain_has_other_rows(database: Database) -> None:
    for block in (1, 2, 3):
        await database.write(
            lambda session, at=block: chain_events.extend(  # type: ignore[misc]
                session, [event(at, index=1), event(at)], checkpoint(at)
            )
        )

    await database.write(lambda session: chain_events.roll_back(session, 1))
    await database.write(lambda session: chain_events.extend(session, [event(2, "b")], checkpoint(2, "b")))

    stored = await database.read(chain_events.every)
    assert stored == (event(1), event(1, index=1), event(2, "b"))
    assert await database.read(chain_events.checkpoints) == (checkpoint(2, "b"), checkpoint(1))


async def test_only_the_newest_checkpoints_are_kept(database: Database) -> None:
    def extend(session: outbox.Session) -> None:
        for block in range(KEPT_CHECKPOINTS + 5):
            chain_events.extend(session, [], checkpoint(block))

    await database.write(extend)

    kept = await database.read(chain_events.checkpoints)
    assert [one.block_number for one in kept] == list(range(KEPT_CHECKPOINTS + 4, 4, -1))
