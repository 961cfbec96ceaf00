"""Receipts in the database: written once, listed newest first, and deleted only where nobody paid for them."""

from dataclasses import replace

from contracts.crypto import ZERO_BYTES32, Bytes32, keccak
from contracts.structs import UsageReceipt
from node.store import receipts
from node.store.database import Database
from node.store.receipts import StoredReceipt
from tests.node.payments.payer import NOW
from tests.node.payments.shop import OPERATOR

PAYER = OPERATOR.address


def free(number: int) -> StoredReceipt:
    """A receipt without a payer that finished `number` seconds after NOW."""
    receipt = UsageReceipt(
        node=OPERATOR.address,
        seq=0,
        channel_id=ZERO_BYTES32,
        request_digest=ZERO_BYTES32,
        adapter_key=ZERO_BYTES32,
        price_hash=ZERO_BYTES32,
        terms_hash=ZERO_BYTES32,
        shares_hash=ZERO_BYTES32,
        attribution_version=1,
        prompt_commit=keccak(b"%d" % number),
        output_commit=ZERO_BYTES32,
        tokens_in=1,
        tokens_cached=0,
        tokens_out=1,
        fee=0,
        cum_before=0,
        voucher_max=0,
        started_at=NOW,
        finished_at=NOW + number,
        status=1,
    )
    return StoredReceipt(f"request {number}", receipt, b"signature", payer=None, request=None, request_signature=None)


def charged(seq: int) -> StoredReceipt:
    """A numbered receipt, older than every free one."""
    receipt = replace(free(0).receipt, seq=seq, request_digest=Bytes32(bytes([seq]) * 32), fee=1, finished_at=NOW - 1)
    return replace(free(0), request_id=f"charged {seq}", receipt=receipt, payer=PAYER)


def without_fee(number: int) -> StoredReceipt:
    """A payer's receipt of a failed request: no fee and so no number, but a payer."""
    digest = Bytes32(bytes([number]) * 31 + b"f")
    receipt = replace(free(0).receipt, request_digest=digest, finished_at=NOW - 1)
    return replace(free(0), request_id=f"failed {number}", receipt=receipt, payer=PAYER)


async def add(database: Database, *stored: StoredReceipt) -> None:
    for one in stored:
        await database.write(lambda session, one=one: receipts.add(session, one))


async def kept(database: Database) -> set[str]:
    found = await database.read(lambda session: receipts.latest(session, payer=None, before=None, limit=100))
    return {one.request_id for one in found}


async def test_a_receipt_is_found_by_its_id_and_its_request(database: Database) -> None:
    await add(database, free(1))

    by_id = await database.read(lambda session: receipts.find(session, free(1).receipt_id))
    by_request = await database.read(lambda session: receipts.of_request(session, "request 1"))

    assert by_id == by_request == free(1)


async def test_pages_continue_after_the_last_receipt_seen(database: Database) -> None:
    await add(database, *map(free, range(5)))

    first = await database.read(lambda session: receipts.latest(session, payer=None, before=None, limit=2))
    last = first[-1].receipt.finished_at, first[-1].receipt_id
    second = await database.read(lambda session: receipts.latest(session, payer=None, before=last, limit=10))

    assert [one.request_id for one in (*first, *second)] == [f"request {number}" for number in (4, 3, 2, 1, 0)]


async def test_pruning_keeps_the_newest_free_receipts(database: Database) -> None:
    await add(database, *map(free, range(5)))

    await database.write(lambda session: receipts.prune_free(session, 2))

    assert await kept(database) == {"request 3", "request 4"}


async def test_pruning_never_deletes_a_receipt_that_names_a_payer(database: Database) -> None:
    paid = [charged(1), charged(2), without_fee(1), without_fee(2)]
    await add(database, *paid, *map(free, range(3)))

    await database.write(lambda session: receipts.prune_free(session, 1))

    assert await kept(database) == {one.request_id for one in paid} | {"request 2"}


async def test_numbered_receipts_come_in_the_order_of_their_numbers(database: Database) -> None:
    await add(database, charged(2), charged(1), free(1))

    found = await database.read(lambda session: receipts.numbered(session, charged(1).receipt.node, 1, 10))

    assert [one.receipt.seq for one in found] == [1, 2]


async def test_a_digest_is_spent_once_a_receipt_names_it(database: Database) -> None:
    spent = charged(1).receipt.request_digest
    before = await database.read(lambda session: receipts.names_digest(session, spent))

    await add(database, charged(1))

    assert not before
    assert await database.read(lambda session: receipts.names_digest(session, spent))
    assert not await database.read(lambda session: receipts.names_digest(session, Bytes32(bytes(32))))
