"""Earnings by payee, day and adapter: sums of receipt lines, kept in memory and rebuilt from the receipts."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from attribution.split import Payee, lines
from contracts.crypto import Bytes32
from contracts.structs import PriceList, Terms, UsageReceipt

DAY_S = 86_400


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One adapter on one day. day: unix time divided by 86,400."""

    day: int
    adapter_key: Bytes32


@dataclass(slots=True)
class Tally:
    """Sums of lines by payee and cell, in base units. versions: the (Datanet id, version) behind each DATANET payee."""

    _sums: dict[Payee, dict[Cell, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    versions: dict[Payee, tuple[Bytes32, int]] = field(default_factory=dict)

    def add(self, receipt: UsageReceipt, price_list: PriceList, terms: Terms | None) -> None:
        """Adds the lines of one receipt."""
        cell = Cell(receipt.finished_at // DAY_S, receipt.adapter_key)
        for payee, amount in lines(receipt.fee, price_list, terms).items():
            self._sums[payee][cell] += amount
        for link in terms.datanets if terms is not None else ():
            self.versions[Payee.of_datanet(link.datanet_id, link.version)] = link.datanet_id, link.version

    def total(self, payee: Payee) -> int:
        """Everything that a payee earned, in base units."""
        return sum(self._sums[payee].values()) if payee in self._sums else 0

    def cells(self, payee: Payee) -> Iterator[tuple[Cell, int]]:
        """What a payee earned, sorted by day and then adapter."""
        yield from sorted(self._sums[payee].items()) if payee in self._sums else ()
