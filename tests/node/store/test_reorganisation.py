"""Everything that was read from removed blocks is taken back in one step."""

from contracts.crypto import Bytes32, keccak, to_address
from node.store import chain_events, channels, outbox
from node.store.chain_events import Checkpoint, StoredEvent
from node.store.channels import Channel
from node.store.database import Database
from node.store.outbox import State
from node.store.reorganisation import roll_back
from tests.node.payments.payer import NOW, Payer
from tests.node.payments.shop import RECEIVER

SENDER = to_address("0x" + "11" * 20)


def block_hash(number: int) -> Bytes32:
    return keccak(b"block %d" % number)


async def store_a_block(database: Database, number: int) -> None:
    """An event, a mined transaction and a channel's balance, all of one block."""
    event = StoredEvent(number, block_hash(number), 0, keccak(b"sent"), SENDER, bytes(32), b"")
    mined = {
        "nonce": number,
        "mined_hash": block_hash(number),
        "block_number": number,
        "block_hash": block_hash(number),
    }

    def change(session: channels.Session) -> None:
        chain_events.extend(session, [event], Checkpoint(number, block_hash(number)))
        sent = outbox.intend(session, intent=f"sent:{number}", sender=SENDER, to=SENDER, call_data=b"", now=NOW)
        state = State.FAILED if number == 3 else State.FINAL
        outbox.change(session, sent.transaction_id, state, NOW, **mined)
        read = Channel(block_hash(number), Payer(RECEIVER).config, 9, 0, 0, number, 0, b"", 0, 0, 0, NOW)
        channels.add(session, read)

    await database.write(change)


async def test_what_was_read_above_a_block_is_taken_back(database: Database) -> None:
    for number in (1, 2, 3):
        await store_a_block(database, number)

    await database.write(lambda session: roll_back(session, 1))

    events = await database.read(chain_events.every)
    reopened = await database.read(lambda session: outbox.unfinished(session, SENDER))
    assert [event.block_number for event in events] == [1]
    assert [(sent.intent, sent.state, sent.block_hash) for sent in reopened] == [
        ("sent:2", State.BROADCAST, None),
        ("sent:3", State.BROADCAST, None),
    ]
    assert await database.read(channels.escrow_blocks) == {block_hash(1): 1, block_hash(2): 0, block_hash(3): 0}


async def test_a_balance_of_a_removed_block_gives_way_to_one_of_a_lower_block(database: Database) -> None:
    await store_a_block(database, 5)
    await database.write(lambda session: roll_back(session, 1))

    await database.write(
        lambda session: channels.set_escrowed(
            session, block_hash(5), balance=4, pending_withdraw=1, total_claimed=0, escrow_block=2
        )
    )

    read = await database.read(lambda session: channels.get(session, block_hash(5)))
    assert (read.balance, read.pending_withdraw, read.escrow_block) == (4, 1, 2)
