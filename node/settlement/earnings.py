"""What an address earned: accrued in receipts, posted in batches, claimable in active epochs, claimed."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from attribution.split import PayeeKind
from attribution.state_tree import earned_key
from contracts.crypto import Address, Bytes32
from node.settlement.book import Book
from node.settlement.chain_progress import ChainProgress
from node.settlement.entitlements import Entitlement, Entitlements
from node.settlement.tally import DAY_S, Tally

Grouping = Literal["adapter", "datanet"]
Bucket = Literal["day"]
_ROLES = {PayeeKind.ADDRESS: "own", PayeeKind.DATANET: "contributor", PayeeKind.TREASURY: "treasury"}


@dataclass(frozen=True, slots=True)
class Totals:
    """In base units. accrued ≥ posted ≥ claimed + claimable. `accrued` and `posted` never shrink."""

    accrued: int
    posted: int
    claimable: int
    claimed: int

    def to_json(self) -> dict[str, str]:
        """As a JSON object of decimal strings."""
        return {name: str(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """What the rows of a series are grouped by; None for what they are not grouped by."""

    day: date | None
    adapter_key: Bytes32 | None
    datanet_id: Bytes32 | None
    version: int | None
    role: str

    def to_json(self) -> dict[str, object]:
        """As a JSON object; null for what rows are not grouped by."""
        return {
            "day": self.day.isoformat() if self.day else None,
            "adapterKey": _hex(self.adapter_key),
            "datanetId": _hex(self.datanet_id),
            "version": self.version,
            "role": self.role,
        }


@dataclass(frozen=True, slots=True)
class Earnings:
    """The totals of an address and its accrued earnings by group. The rows of an unfiltered series sum to `accrued`.

    unknown_datanets: Datanet versions whose contributors this node does not know, so that parts may be missing.
    """

    address: Address
    totals: Totals
    series: tuple[tuple[Group, int], ...]
    unknown_datanets: tuple[tuple[Bytes32, int], ...]

    def to_json(self) -> dict[str, object]:
        """As a JSON object; amounts as decimal strings."""
        return {
            "address": self.address,
            "totals": self.totals.to_json(),
            "series": [group.to_json() | {"amount": str(amount)} for group, amount in self.series],
            "unknownDatanets": [
                {"datanetId": _hex(datanet_id), "version": version} for datanet_id, version in self.unknown_datanets
            ],
        }

    def to_csv(self) -> str:
        """The series as CSV with a header line."""
        out = io.StringIO()
        names = ["day", "adapterKey", "datanetId", "version", "role", "amount"]
        writer = csv.DictWriter(out, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(group.to_json() | {"amount": str(amount)} for group, amount in self.series)
        return out.getvalue()


def earnings_of(
    entitlements: Entitlements,
    book: Book,
    progress: ChainProgress,
    *,
    group_by: Grouping | None = None,
    bucket: Bucket | None = None,
    from_: int | None = None,
    to: int | None = None,
) -> Earnings:
    """The earnings of one address. from_, to: unix seconds; they limit the series to these days, not the totals."""
    sums: dict[Group, int] = defaultdict(int)
    for entitlement in entitlements.entries:
        for day, adapter_key, amount in _parts(entitlement, book.tally):
            if (from_ is None or day >= from_ // DAY_S) and (to is None or day <= to // DAY_S):
                sums[_group(entitlement, day, adapter_key, group_by, bucket)] += amount
    rows = sorted(((group, amount) for group, amount in sums.items() if amount), key=lambda row: str(row[0].to_json()))
    totals = _totals(entitlements, book, progress)
    return Earnings(entitlements.address, totals, tuple(rows), entitlements.unknown)


def paid_to(entitlement: Entitlement, address: Address, progress: ChainProgress) -> int:
    """How much Settlement has paid to `address` for an entitlement, in base units."""
    if entitlement.datanet_id is None:
        return progress.paid[entitlement.payee]
    return progress.share_paid[entitlement.payee, address]


def _totals(entitlements: Entitlements, book: Book, progress: ChainProgress) -> Totals:
    posted_tree = book.tip_at(progress.last_epoch).state.tree
    active_tree = book.tip_at(progress.active_epoch).state.tree
    accrued = posted = claimable = claimed = 0
    for entitlement in entitlements.entries:
        key, paid = earned_key(entitlement.payee), paid_to(entitlement, entitlements.address, progress)
        accrued += entitlement.part(book.latest.tree.get(key))
        posted += entitlement.part(posted_tree.get(key))
        claimable += max(0, entitlement.part(active_tree.get(key)) - paid)
        claimed += paid
    return Totals(accrued, posted, claimable, claimed)


def _parts(entitlement: Entitlement, tally: Tally) -> Iterator[tuple[int, Bytes32, int]]:
    """(day, adapter, amount) rows. Amounts are differences of the rounded-down running total, so they sum exactly."""
    earned = 0
    for cell, amount in tally.cells(entitlement.payee):
        before, earned = entitlement.part(earned), earned + amount
        yield cell.day, cell.adapter_key, entitlement.part(earned) - before


def _group(
    entitlement: Entitlement, day: int, adapter_key: Bytes32, group_by: Grouping | None, bucket: Bucket | None
) -> Group:
    by_datanet = group_by == "datanet"
    return Group(
        day=datetime.fromtimestamp(day * DAY_S, UTC).date() if bucket == "day" else None,
        adapter_key=adapter_key if group_by == "adapter" else None,
        datanet_id=entitlement.datanet_id if by_datanet else None,
        version=entitlement.version if by_datanet else None,
        role=_ROLES[PayeeKind(entitlement.payee.kind)],
    )


def _hex(value: bytes | None) -> str | None:
    return None if value is None else "0x" + value.hex()
