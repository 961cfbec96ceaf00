"""Whether a database holds a whole ledger: every receipt, its evidence, its signature, and batches that rebuild."""

from collections import Counter
from dataclasses import dataclass

from attribution.transition import Ledger
from contracts.crypto import Address, Bytes32, InvalidSignature, recover, to_address
from contracts.structs import openlora_domain
from node.settlement.book import CHUNK, Book
from node.settlement.errors import LedgerBroken
from node.settlement.records import Record, reading
from node.store import channels, ledger, meta
from node.store.database import Database


@dataclass(frozen=True, slots=True)
class LedgerAudit:
    """What a ledger holds. charged: the sum of all fees in base units. signers: the keys that signed its receipts."""

    vault: Address | None
    receipts: int
    batches: int
    charged: int
    signers: tuple[Address, ...]

    def to_json(self) -> dict[str, object]:
        """As a JSON object; amounts as decimal strings."""
        return {
            "vault": self.vault,
            "receipts": self.receipts,
            "batches": self.batches,
            "charged": str(self.charged),
            "signers": list(self.signers),
        }


async def audit(database: Database) -> LedgerAudit:
    """Rebuilds the ledger of a database from its receipts. Raises LedgerBroken at the first that is wrong."""
    vault = await database.read(meta.vault_of)
    known = await database.read(channels.every)
    if vault is None or not known:
        return LedgerAudit(vault, 0, 0, 0, ())
    chain_id, settlement = await _contracts(database)
    domain = openlora_domain(chain_id, settlement)
    book = await Book.open(database, Ledger(vault, known[0].config.token, domain))
    head = await database.read(lambda session: ledger.head(session, vault))
    if (book.latest.seq, book.latest.cum_total) != (head.last_seq, head.charged):
        detail = f"it says {head.last_seq} receipts, and {book.latest.seq} are there"
        raise LedgerBroken("the head of the ledger", detail)
    charged: Counter[Bytes32] = Counter()
    signers: dict[Address, None] = {}
    for first in range(1, head.last_seq + 1, CHUNK):
        for record in await database.read(reading(vault, first, CHUNK)):
            charged[record.stored.receipt.channel_id] += record.stored.receipt.fee
            signers[_signer(record, book)] = None
    for channel in known:
        if charged[channel.channel_id] != channel.charged:
            detail = f"{channel.charged} were charged, and its receipts add up to {charged[channel.channel_id]}"
            raise LedgerBroken(f"channel 0x{channel.channel_id.hex()}", detail)
    return LedgerAudit(vault, head.last_seq, len(book.batches), head.charged, tuple(signers))


def _signer(record: Record, book: Book) -> Address:
    receipt = record.stored.receipt
    try:
        return recover(receipt.digest(book.ledger.domain), record.stored.signature)
    except InvalidSignature as error:
        raise LedgerBroken(f"receipt {receipt.seq}", f"its signature is wrong: {error}") from error


async def _contracts(database: Database) -> tuple[int, Address]:
    """The chain and the Settlement contract that the database belongs to."""
    chain_id, settlement = await database.read(
        lambda session: (meta.get(session, "chain id"), meta.get(session, "Settlement contract"))
    )
    if chain_id is None or settlement is None:
        raise LedgerBroken("the pin of the chain", "it is missing")
    return int(chain_id), to_address(settlement)
