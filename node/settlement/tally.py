"""Who earned how much on which day with which adapter: sums of lines, kept in memory, rebuilt from the receipts."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from attribution.split import Payee, lines
from contracts.crypto import Bytes32
from contracts.structs import PriceList, Terms, UsageReceipt

DAY_S = 86_400


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One day (unix time / 86,400) of one adapter."""

    day: int
    adapter_key: Bytes32


@dataclass(slots=True)
class Tally:
    """Σ of lines per payee and cell. `versions`: the Datanet version behind each DATANET payee."""

    _sums: dict[Payee, dict[Cell, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    versions: dict[Payee, tuple[Bytes32, int]] = field(default_factory=dict)

    def add(self, receipt: UsageReceipt, price_list: PriceList, terms: Terms | None) -> None:
        """Counts the lines of one receipt."""
        cell = Cell(receipt.finished_at // DAY_S, receipt.adapter_key)
        for payee, amount in lines(receipt.fee, price_list, terms).items():
            self._sums[payee][cell] += amount
        for link in terms.datanets if terms is not None else ():
            self.versions[Payee.of_datanet(link.datanet_id, link.version)] = link.datanet_id, link.version

    def total(self, payee: Payee) -> int:
        """All that a payee ever earned."""
        return sum(self._sums[payee].values()) if payee in self._sums else 0

    def cells(self, payee: Payee) -> Iterator[tuple[Cell, int]]:
        """What a payee earned, by day, then adapter."""
        yield from sorted(self._sums[payee].items()) if payee in self._sums else ()
