"""Stored batches."""

from contracts.crypto import Bytes32, to_address
from contracts.structs import BatchHeader
from node.store import batches
from node.store.database import Database

SENDER, OTHER, TO = (to_address("0x" + digit * 40) for digit in "123")


NOW = 1_000


async def test_batches_of_a_ledger_come_back_by_epoch(database: Database) -> None:
    word = Bytes32(b"\x01" * 32)
    headers = [BatchHeader(SENDER, epoch, epoch, 1, word, word, word, 2**127, word, NOW) for epoch in (1, 2)]
    foreign = BatchHeader(OTHER, 1, 1, 4, word, word, word, 5, word, NOW)
    for header in (headers[1], foreign, headers[0]):
        await database.write(lambda session, one=header: batches.add(session, one))  # type: ignore[misc]

    stored = await database.read(lambda session: batches.every(session, SENDER))

    assert [one.header for one in stored] == headers
    assert [one.header_hash for one in stored] == [header.struct_hash() for header in headers]
    assert [one.last_seq for one in stored] == [1, 2]
