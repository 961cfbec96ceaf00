"""Reads receipts for the API. `node.settlement` reads them for batches, in the order of their numbers."""

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
    """A numbered receipt with the preimages of its hashes and every signature that a judge checks.

    stored: it has the signed request. voucher_signature: the payer's, over `Voucher(channelId, voucherMax)`.
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
        """The receipt with this struct hash; None if there is none."""
        return await self._database.read(lambda session: receipts.find(session, receipt_id))

    async def of_request(self, request_id: str) -> StoredReceipt | None:
        """The receipt of a request; None if it has none yet."""
        return await self._database.read(lambda session: receipts.of_request(session, request_id))

    async def of_channel(self, channel_id: Bytes32, from_seq: int = 1, limit: int = 100) -> tuple[StoredReceipt, ...]:
        """A page of a channel's numbered receipts, oldest first. All pages together tile [0, charged)."""
        return await self._database.read(lambda session: receipts.of_channel(session, channel_id, from_seq, limit))

    async def latest(
        self, *, payer: Address | None = None, before: tuple[int, Bytes32] | None = None, limit: int = 100
    ) -> tuple[StoredReceipt, ...]:
        """A page of all receipts, newest first.

        before: (finishedAt, id) of the last receipt of the previous page; None for the first page.
        """
        return await self._database.read(
            lambda session: receipts.latest(session, payer=payer, before=before, limit=limit)
        )

    async def evidence(self, receipt_id: Bytes32) -> EvidencedReceipt | None:
        """One receipt with its evidence; None if it does not exist or has no number."""
        return await self._database.read(lambda session: _evidence_of(session, receipt_id))

    async def head(self, node: Address) -> Head:
        """The newest number, time and total of this vault's ledger."""
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
