"""A database belongs to one chain and one Settlement contract."""

import pytest

from contracts.crypto import Address, keccak
from node.store.database import Database
from node.store.errors import (
    WrongChain,
)
from node.store.meta import ChainPin

SETTLEMENT = Address("0x" + "5e" * 20)


PIN = ChainPin(31337, keccak(b"genesis"), SETTLEMENT)


async def test_a_database_stays_with_its_chain_and_settlement(database_url: str) -> None:
    await (await Database.open(database_url, PIN)).close()
    await (await Database.open(database_url, PIN)).close()

    for other in (
        ChainPin(31337, keccak(b"another genesis"), SETTLEMENT),
        ChainPin(31337, PIN.genesis_hash, Address("0x" + "77" * 20)),
        ChainPin(1, PIN.genesis_hash, SETTLEMENT),
    ):
        with pytest.raises(WrongChain, match="another database"):
            await Database.open(database_url, other)
