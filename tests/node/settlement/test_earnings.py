"""Earnings: however they are grouped, the rows sum to what was earned, to the base unit."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.batch import Item
from attribution.datanets import Contributors
from attribution.split import Payee
from attribution.transition import advance
from contracts.crypto import ZERO_BYTES32
from contracts.structs import Terms
from node.settlement.book import Book
from node.settlement.chain_progress import ChainProgress
from node.settlement.earnings import Bucket, Earnings, Grouping, earnings_of
from node.settlement.entitlements import Entitlement, Entitlements
from node.settlement.tally import DAY_S
from node.store.database import Database
from tests.attribution.ledgers import ADAPTERS, LEDGER, OWNERS, PAYERS, HonestNode, key, terms

MEMBERS = Contributors.of([(key(100 + number).address, weight) for number, weight in enumerate((3, 5, 9))])
ME = MEMBERS.members[1].address


class PaperBook(Book):
    """A book that is filled by hand instead of from a database."""

    def __init__(self, seed: int, count: int) -> None:
        super().__init__(database=None, ledger=LEDGER)  # type: ignore[arg-type]  # nothing is read
        node = HonestNode()
        for item in node.serve_many(count, seed):
            agreed = item.evidence.terms.value if item.evidence.terms else None
            self.receive(item, agreed)
            node.clock += 20_000

    def receive(self, item: Item, agreed: Terms | None) -> None:
        """Counts a receipt as the newest."""
        self._latest = advance(self._latest, item.receipt, item.evidence.price_list.value, agreed)
        self.tally.add(item.receipt, item.evidence.price_list.value, agreed)


def mine(book: Book) -> Entitlements:
    """The owner of adapter 0, who contributed to every Datanet version there is."""
    shares = [
        Entitlement(payee, datanet_id, version, MEMBERS, 5, 17)
        for payee, (datanet_id, version) in sorted(book.tally.versions.items())
    ]
    return Entitlements(OWNERS[0], (Entitlement(Payee.of_address(OWNERS[0])), *shares), ())


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(0, 12),
    st.sampled_from([None, "adapter", "datanet"]),
    st.sampled_from([None, "day"]),
)
def test_the_rows_of_any_grouping_sum_to_what_accrued(
    seed: int, count: int, group_by: Grouping | None, bucket: Bucket | None
) -> None:
    book = PaperBook(seed, count)

    made = earnings_of(mine(book), book, ChainProgress(), group_by=group_by, bucket=bucket)

    assert sum(amount for _, amount in made.series) == made.totals.accrued
    assert all(amount > 0 for _, amount in made.series)
    groups = [group for group, _ in made.series]
    assert len(set(groups)) == len(groups)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(0, 5))
def test_any_cut_in_time_divides_the_series_and_loses_nothing(seed: int, count: int, day: int) -> None:
    book, cut = PaperBook(seed, count), day * DAY_S

    early = earnings_of(mine(book), book, ChainProgress(), bucket="day", to=cut)
    late = earnings_of(mine(book), book, ChainProgress(), bucket="day", from_=cut + DAY_S)

    whole = earnings_of(mine(book), book, ChainProgress(), bucket="day")
    assert sorted(map(str, early.series + late.series)) == sorted(map(str, whole.series))


def served_once() -> Book:
    book = PaperBook(0, 0)
    item = HonestNode().serve(PAYERS[0], 0)
    book.receive(item, terms(0))
    return book


def test_rows_name_what_they_are_grouped_by() -> None:
    book = served_once()
    link = terms(0).datanets[0]

    by_adapter = earnings_of(mine(book), book, ChainProgress(), group_by="adapter")
    by_datanet = earnings_of(mine(book), book, ChainProgress(), group_by="datanet", bucket="day")

    fee = 880_000_000_000_000
    assert {(group.adapter_key, group.role): amount for group, amount in by_adapter.series} == {
        (ADAPTERS[0], "own"): fee // 5,
        (ADAPTERS[0], "contributor"): fee // 2 * 5 // 17,
    }
    assert {(group.datanet_id, group.version) for group, _ in by_datanet.series} == {
        (None, None),
        (link.datanet_id, link.version),
    }
    assert {group.to_json()["day"] for group, _ in by_datanet.series} == {"1970-01-01"}


def test_the_document_and_the_table_say_the_same() -> None:
    book = served_once()
    made: Earnings = earnings_of(mine(book), book, ChainProgress(), group_by="adapter")

    document = made.to_json()
    rows = list(csv.DictReader(io.StringIO(made.to_csv())))

    series = document["series"]
    assert isinstance(series, list)
    assert [row["amount"] for row in rows] == [row["amount"] for row in series]
    assert document["totals"] == {
        "accrued": str(made.totals.accrued),
        "posted": "0",
        "claimable": "0",
        "claimed": "0",
    }


async def test_somebody_who_earned_nothing_has_an_empty_series(database: Database) -> None:
    book = await Book.open(database, LEDGER)

    made = earnings_of(Entitlements(ME, (Entitlement(Payee.of_address(ME)),), ()), book, ChainProgress())

    assert made.series == ()
    assert made.totals.accrued == 0
    assert book.unbatched.count == 0
    assert book.tip.header_hash == ZERO_BYTES32
    with pytest.raises(KeyError):
        book.tip_at(1)
