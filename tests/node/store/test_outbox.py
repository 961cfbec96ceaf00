"""Outgoing transactions in the database: one row per intent, nonces without gaps, nothing lost."""

from contracts.crypto import Address, keccak, to_address
from node.store import outbox
from node.store.database import Database
from node.store.outbox import Attempt, Outgoing, State

SENDER, OTHER, TO = (to_address("0x" + digit * 40) for digit in "123")


NOW = 1_000


async def intend(database: Database, intent: str, sender: Address = SENDER) -> Outgoing:
    return await database.write(
        lambda session: outbox.intend(session, intent=intent, sender=sender, to=TO, call_data=b"\x00call", now=NOW)
    )


async def sign(database: Database, transaction: Outgoing, mined: int = 0, max_fee: int = 10) -> Outgoing:
    def change(session: outbox.Session) -> Outgoing:
        nonce = outbox.take_nonce(session, transaction.sender, mined)
        attempt = Attempt(keccak(b"%d %d" % (nonce, max_fee)), b"raw", max_fee, 1, NOW)
        outbox.add_attempt(session, transaction.transaction_id, attempt)
        return outbox.change(session, transaction.transaction_id, State.SIGNED, NOW, nonce=nonce)

    return await database.write(change)


async def test_an_intent_is_stored_once_and_starts_over_only_after_it_failed(database: Database) -> None:
    first = await intend(database, "post:1")
    signed = await sign(database, first)
    again = await intend(database, "post:1")
    await database.write(
        lambda session: outbox.change(session, first.transaction_id, State.FAILED, NOW, failure="reverted")
    )
    anew = await intend(database, "post:1")

    assert first.state is State.INTENDED
    assert again == signed
    assert (anew.transaction_id, anew.state, anew.nonce, anew.failure) == (
        first.transaction_id,
        State.INTENDED,
        None,
        None,
    )
    assert anew.attempts == ()


async def test_each_key_has_its_own_numbers_without_gaps(database: Database) -> None:
    mine = [await sign(database, await intend(database, f"mine:{i}"), mined=5) for i in range(3)]
    theirs = await sign(database, await intend(database, "theirs", OTHER))
    later = await sign(database, await intend(database, "later"), mined=20)

    assert [one.nonce for one in mine] == [5, 6, 7]
    assert theirs.nonce == 0
    assert later.nonce == 20


async def test_unfinished_transactions_come_by_number_then_as_they_were_wanted(database: Database) -> None:
    wanted = [await intend(database, f"claim:{i}") for i in range(3)]
    await sign(database, wanted[2])
    await sign(database, wanted[0])
    done = await sign(database, await intend(database, "done"))
    await database.write(lambda session: outbox.change(session, done.transaction_id, State.FINAL, NOW))

    found = await database.read(lambda session: outbox.unfinished(session, SENDER))
    newest = await database.read(lambda session: outbox.latest(session, SENDER, "claim:"))

    assert [one.intent for one in found] == ["claim:2", "claim:0", "claim:1"]
    assert newest is not None
    assert newest.intent == "claim:2"
    assert await database.read(lambda session: outbox.latest(session, OTHER, "claim:")) is None


async def test_attempts_are_kept_from_the_cheapest_to_the_dearest(database: Database) -> None:
    signed = await sign(database, await intend(database, "post:1"), max_fee=2**90)
    attempt = Attempt(keccak(b"dearer"), b"raw 2", 2**91, 2, NOW)
    await database.write(lambda session: outbox.add_attempt(session, signed.transaction_id, attempt))

    found = await database.read(lambda session: outbox.find(session, "post:1"))

    assert found is not None
    assert [one.max_fee for one in found.attempts] == [2**90, 2**91]
    assert found.hash == keccak(b"dearer")


async def test_what_the_chain_no_longer_has_is_reopened(database: Database) -> None:
    for number in range(3):
        signed = await sign(database, await intend(database, f"post:{number}"))
        mined = {"mined_hash": keccak(b"mined"), "block_number": 7, "block_hash": keccak(b"block"), "gas_price": 2**80}
        await database.write(
            lambda session, one=signed, values=mined: outbox.change(  # type: ignore[misc]
                session, one.transaction_id, State.FINAL, NOW, **values
            )
        )

    await database.write(lambda session: outbox.reopen(session, SENDER, 1, NOW))

    found = await database.read(lambda session: outbox.unfinished(session, SENDER))
    assert [(one.intent, one.state, one.mined_hash) for one in found] == [
        ("post:1", State.BROADCAST, None),
        ("post:2", State.BROADCAST, None),
    ]


async def test_an_unnumbered_intent_can_be_cancelled(database: Database) -> None:
    await intend(database, "deposit:1")
    await sign(database, await intend(database, "deposit:2"))

    cancelled = [
        await database.write(lambda session, name=name: outbox.cancel(session, name, NOW))  # type: ignore[misc]
        for name in ("deposit:1", "deposit:2", "deposit:3")
    ]

    assert cancelled == [True, False, False]
