"""Reading receipts back for whoever asks. Batches read them in the order of their numbers, in `node.settlement`."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from attribution.split import Payee, lines
from contracts.crypto import Address, Bytes32
from contracts.structs import PriceList, Terms
from contracts.x402 import ChannelConfig
from node.store import channels, ledger, preimages, receipts, vouchers
from node.store.database import Database
from node.store.ledger import Head
from node.store.receipts import StoredReceipt


@dataclass(frozen=True, slots=True)
class EvidencedReceipt:
    """A numbered receipt with everything its hashes open to and every signature a judge asks for.

    `stored` holds the signed request; voucher_signature is under `Voucher(channelId, voucherMax)`.
    """

    stored: StoredReceipt
    config: ChannelConfig
    voucher_signature: bytes
    price_list: PriceList
    terms: Terms | None

    def lines(self) -> dict[Payee, int]:
        """What each payee earned; Σ = fee."""
        return lines(self.stored.receipt.fee, self.price_list, self.terms)


class Receipts:
    """The receipts in the node's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_id(self, receipt_id: Bytes32) -> StoredReceipt | None:
        """The receipt whose struct hash this is."""
        return await self._database.read(lambda session: receipts.find(session, receipt_id))

    async def of_request(self, request_id: str) -> StoredReceipt | None:
        return await self._database.read(lambda session: receipts.of_request(session, request_id))

    async def of_channel(self, channel_id: Bytes32, from_seq: int = 1, limit: int = 100) -> tuple[StoredReceipt, ...]:
        """A page of a channel's numbered receipts, oldest first; all of them tile [0, charged)."""
        return await self._database.read(lambda session: receipts.of_channel(session, channel_id, from_seq, limit))

    async def latest(
        self, *, payer: Address | None = None, before: tuple[int, Bytes32] | None = None, limit: int = 100
    ) -> tuple[StoredReceipt, ...]:
        """A page of all receipts, newest first; `before` is (finishedAt, id) of the last one seen."""
        return await self._database.read(
            lambda session: receipts.latest(session, payer=payer, before=before, limit=limit)
        )

    async def evidence(self, receipt_id: Bytes32) -> EvidencedReceipt | None:
        """One receipt with its evidence; None if it does not exist or has no number."""
        return await self._database.read(lambda session: _evidence_of(session, receipt_id))

    async def head(self, node: Address) -> Head:
        """How far the ledger of this vault has come."""
        return await self._database.read(lambda session: ledger.head(session, node))


def _evidence_of(session: Session, receipt_id: Bytes32) -> EvidencedReceipt | None:
    stored = receipts.find(session, receipt_id)
    return None if stored is None or stored.receipt.seq == 0 else _evidenced(session, stored)


def _evidenced(session: Session, stored: StoredReceipt) -> EvidencedReceipt:
    receipt = stored.receipt
    voucher = vouchers.find(session, receipt.channel_id, receipt.voucher_max)
    price_list = preimages.find(session, PriceList, receipt.price_hash)
    assert voucher is not None, f"receipt {receipt.seq} names a voucher that is not kept"
    assert price_list is not None, f"receipt {receipt.seq} names a price list that is not kept"
    terms = preimages.find(session, Terms, receipt.terms_hash) if any(receipt.terms_hash) else None
    config = channels.get(session, receipt.channel_id).config
    return EvidencedReceipt(stored, config, voucher.signature, price_list, terms)
