"""Structs under their hashes."""

from contracts.crypto import keccak
from contracts.structs import PriceList, Terms
from node.store import preimages
from node.store.database import Database
from tests.attribution.ledgers import terms

AGREED = terms(0)


async def test_a_struct_is_found_by_its_hash(database: Database) -> None:
    for _ in range(2):
        await database.write(lambda session: preimages.keep(session, AGREED.struct_hash(), AGREED))

    assert await database.read(lambda session: preimages.find(session, Terms, AGREED.struct_hash())) == AGREED


async def test_an_unknown_hash_has_no_struct(database: Database) -> None:
    assert await database.read(lambda session: preimages.find(session, PriceList, keccak(b"unknown"))) is None
