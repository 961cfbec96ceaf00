"""Cuts receipts into batches, and rebuilds any batch from the database, bit for bit."""

import asyncio
from dataclasses import dataclass

from attribution import merkle
from attribution.answers import BatchAnswers
from attribution.batch import Batch, Item, build, receipt_leaves
from attribution.receipt_proof import ReceiptProof
from attribution.receipts_file import ReceiptsFile
from attribution.transition import InvalidTransition
from contracts.crypto import Bytes32
from contracts.structs import BatchHeader
from node.chain.registrations import ChainRegistrations
from node.settlement.book import Book
from node.settlement.errors import LedgerBroken
from node.settlement.lru_cache import LruCache
from node.settlement.records import reading
from node.store import receipts
from node.store.database import Database

BATCH_LIMIT = 4_096
_RECORDS_PER_TURN = 64
KEPT_OUTLINES = 32
"""How many outlines are cached. Batches never change, and every proof of one needs its outline."""


@dataclass(frozen=True, slots=True)
class _Outline:
    """The parts of a batch that proofs need. `roots`: the state root before each receipt and after the last."""

    header: BatchHeader
    roots: tuple[Bytes32, ...]
    leaves: tuple[Bytes32, ...]


class Batcher:
    """Builds batches and applies every rule of the protocol, because anybody may challenge what this node posts."""

    def __init__(
        self, database: Database, book: Book, registrations: ChainRegistrations, limit: int = BATCH_LIMIT
    ) -> None:
        self._database, self._book, self._registrations, self._limit = database, book, registrations, limit
        self._outlines: LruCache[int, _Outline] = LruCache(KEPT_OUTLINES)

    async def cut(self, until: int | None = None) -> Batch | None:
        """Builds the next batch and stores its header; None if there are no receipts after the last batch.

        until: receipts that finished later (unix seconds) stay out; None for no limit. It is when the vault died.
        It ends before a receipt that the registrations no longer allow. Raises RegistrationsChanged if that is the
        first one, LedgerBroken if another rule is broken.
        """
        tip, first = self._book.tip, self._book.tip.state.seq + 1
        await self._book.refresh()
        changed = self._book.unsupported(self._registrations)
        if changed is not None and changed.seq == first:
            raise changed
        items = await self._items(first, min(self._limit, changed.seq - first) if changed else self._limit)
        items = [item for item in items if until is None or item.receipt.finished_at <= until]
        if not items:
            return None
        batch = await self._built(tip.epoch, items)
        await self._book.refresh()  # the book must have seen the receipts before it closes over them
        await self._book.add(batch)
        return batch

    async def rebuild(self, epoch: int) -> tuple[Batch, list[Item]]:
        """A stored batch and its items. Raises KeyError for an unknown epoch, LedgerBroken if it does not rebuild."""
        tip = self._book.tip_at(epoch - 1)
        header = self._book.batches[self._book.tip_at(epoch).epoch - 1].header
        items = await self._items(header.from_seq, header.count)
        batch = await self._built(tip.epoch, items)
        if batch.header != header:
            raise LedgerBroken(f"epoch {epoch}", "its header does not follow from its receipts")
        return batch, items

    async def answers(self, epoch: int) -> BatchAnswers:
        """What answers the demands on a stored batch. Raises KeyError for an unknown epoch, LedgerBroken, NotRebuilt.

        Unlike `rebuild` it judges no receipt: a leaf can be justified although another one of its batch cannot.
        """
        tip, header = self._book.tip_at(epoch - 1), self._book.batches[self._book.tip_at(epoch).epoch - 1].header
        items = await self._items(header.from_seq, header.count)
        return await asyncio.to_thread(BatchAnswers.of, tip, header, items)

    async def receipts_file(self, epoch: int) -> bytes:
        """The public file of a batch. Raises KeyError for an unknown epoch."""
        batch, items = await self.rebuild(epoch)
        signatures, operators = await self._signatures(batch.header), self._registrations.operators()
        return await asyncio.to_thread(lambda: ReceiptsFile.of(batch, items, signatures, operators).encode())

    async def receipt_proof(self, epoch: int, seq: int) -> ReceiptProof:
        """The proof of receipt `seq` against the `receiptsRoot` of its batch. Raises KeyError for an unknown epoch."""
        outline = self._outlines.get(epoch)
        if outline is None:
            batch, _ = await self.rebuild(epoch)
            outline = self._outlines.put(epoch, await asyncio.to_thread(_outline, batch))
        index = seq - outline.header.from_seq
        (record,) = await self._database.read(reading(self._book.ledger.node, seq, 1))
        path = await asyncio.to_thread(merkle.path_of, outline.leaves, index)
        before, after = outline.roots[index : index + 2]
        return ReceiptProof(outline.header, record.stored.receipt, index, before, after, path)

    async def _signatures(self, header: BatchHeader) -> list[bytes]:
        """This node's signatures over the receipts of a batch."""
        node, from_seq, count = header.node, header.from_seq, header.count
        stored = await self._database.read(lambda session: receipts.numbered(session, node, from_seq, count))
        return [one.signature for one in stored]

    async def _items(self, from_seq: int, count: int) -> list[Item]:
        records = await self._database.read(reading(self._book.ledger.node, from_seq, count))
        items: list[Item] = []
        for start in range(0, len(records), _RECORDS_PER_TURN):
            items += [record.judged_by(self._registrations) for record in records[start : start + _RECORDS_PER_TURN]]
            await asyncio.sleep(0)  # the event loop serves inference meanwhile
        return items

    async def _built(self, prev_epoch: int, items: list[Item]) -> Batch:
        tip = self._book.tip_at(prev_epoch)
        try:
            return await asyncio.to_thread(build, tip, items)
        except InvalidTransition as error:
            raise LedgerBroken(f"epoch {prev_epoch + 1}", str(error)) from error


def _outline(batch: Batch) -> _Outline:
    leaves = receipt_leaves(batch.header.prev_state_root, batch.receipts, batch.roots)
    return _Outline(batch.header, (batch.header.prev_state_root, *batch.roots), tuple(leaves))
