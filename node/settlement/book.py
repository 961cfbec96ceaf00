"""The node's ledger in memory: the state after every batch and after the newest receipt, rebuilt from the database."""

from dataclasses import dataclass

from attribution.batch import Batch, ChainTip
from attribution.transition import InvalidTransition, Ledger, LedgerState, advance
from node.chain.registrations import ChainRegistrations
from node.chain.single_flight import SingleFlight
from node.settlement.errors import LedgerBroken, RegistrationsChanged
from node.settlement.records import Record, reading
from node.settlement.tally import Tally
from node.store import batches
from node.store.batches import StoredBatch
from node.store.database import Database

CHUNK = 100


@dataclass(frozen=True, slots=True)
class Unbatched:
    """The receipts after the last batch. `value`: the sum of their fees in base units.

    oldest_at: when the oldest one finished, in unix seconds; 0 if there is none.
    """

    count: int
    value: int
    oldest_at: int


class Book:
    """The ledger that the receipts add up to. It keeps the state after every batch: the state trees share structure."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database, self.ledger = database, ledger
        self.tally = Tally()
        self._latest = LedgerState.genesis(ledger)
        self._tips = [ChainTip.genesis(self._latest)]
        self._batches: list[StoredBatch] = []
        self._unbatched: list[Record] = []  # after the last batch
        self.refresh = SingleFlight(self._refresh)

    @classmethod
    async def open(cls, database: Database, ledger: Ledger) -> "Book":
        """Reads everything in the database. Raises LedgerBroken if a stored batch does not rebuild."""
        made = cls(database, ledger)
        made._batches = list(await database.read(lambda session: batches.every(session, ledger.node)))
        for expected, stored in enumerate(made._batches, start=1):
            if stored.header.epoch != expected:
                raise LedgerBroken(f"epoch {expected}", "it is missing")
        await made.refresh()
        if len(made._tips) <= len(made._batches):
            raise LedgerBroken(f"epoch {len(made._tips)}", "its receipts are missing")
        return made

    @property
    def latest(self) -> LedgerState:
        """The state after the newest receipt, batched or not."""
        return self._latest

    @property
    def tip(self) -> ChainTip:
        """The tip after the newest batch, posted or not."""
        return self._tips[-1]

    @property
    def batches(self) -> tuple[StoredBatch, ...]:
        """All batches, posted or not, by epoch."""
        return tuple(self._batches)

    @property
    def unbatched(self) -> Unbatched:
        """The receipts after the last batch."""
        receipts = [record.stored.receipt for record in self._unbatched]
        oldest_at = receipts[0].finished_at if receipts else 0
        return Unbatched(len(receipts), sum(receipt.fee for receipt in receipts), oldest_at)

    def unsupported(self, registrations: ChainRegistrations) -> RegistrationsChanged | None:
        """The first receipt after the last batch that the registrations of now do not allow; None if all are allowed.

        After a reorganisation a price list or terms may begin later than when they were first seen.
        """
        for record in self._unbatched:
            if not record.supported_by(registrations):
                return RegistrationsChanged(record.stored.receipt.seq)
        return None

    def tip_at(self, epoch: int) -> ChainTip:
        """The tip after batch `epoch`; epoch 0 is before the first batch. Raises KeyError for an unknown epoch."""
        if not 0 <= epoch < len(self._tips):
            raise KeyError(f"there is no epoch {epoch}")
        return self._tips[epoch]

    def epoch_of(self, seq: int) -> int | None:
        """The epoch of the batch that holds receipt `seq`; None while no batch does."""
        holding = (batch for batch in self._batches if batch.header.from_seq <= seq <= batch.last_seq)
        return next((batch.header.epoch for batch in holding), None)

    async def add(self, batch: Batch) -> None:
        """Adds a batch that was built from `tip`. It is stored first, and never changes afterwards."""
        await self._database.write(lambda session: batches.add(session, batch.header))
        self._batches.append(StoredBatch(batch.header, batch.tip.header_hash))
        self._tips.append(batch.tip)
        del self._unbatched[: batch.header.count]

    async def _refresh(self) -> None:
        """Reads the receipts that are new since the last call, in chunks, so that the event loop is not blocked."""
        while records := await self._database.read(reading(self.ledger.node, self._latest.seq + 1, CHUNK)):
            for record in records:
                self._count(record)

    def _count(self, record: Record) -> None:
        receipt = record.stored.receipt
        try:
            self._latest = advance(self._latest, receipt, record.price_list, record.terms)
        except InvalidTransition as error:
            raise LedgerBroken(f"receipt {receipt.seq}", str(error)) from error
        self.tally.add(receipt, record.price_list, record.terms)
        self._unbatched.append(record)
        if len(self._tips) <= len(self._batches):
            self._close_batch(self._batches[len(self._tips) - 1])

    def _close_batch(self, stored: StoredBatch) -> None:
        """At the last receipt of a stored batch, checks that its header follows from the receipts."""
        if stored.last_seq != self._latest.seq:
            return
        header, tip = stored.header, self._tips[-1]
        chained = header.prev_header_hash == tip.header_hash and header.prev_state_root == tip.state.root
        if not chained or header.state_root != self._latest.root or header.struct_hash() != stored.header_hash:
            raise LedgerBroken(f"epoch {header.epoch}", "its header does not follow from its receipts")
        self._tips.append(ChainTip.after(header, self._latest))
        self._unbatched.clear()
