"""What Settlement has recorded, from its events."""

from dataclasses import replace
from pathlib import Path

import pytest

from attribution.split import Payee
from contracts.crypto import Address, Bytes32, PrivateKey, keccak, to_address
from contracts.structs import BatchHeader
from node.chain.follower import ChainFollower, WatchedContracts
from node.chain.memory import Emitted, MemoryChain
from node.chain.transactions import Transaction, sign_transaction
from node.settlement.book import Book
from node.settlement.chain_progress import ChainProgress, progress_of
from node.settlement.errors import LedgerConflict
from node.store.batches import StoredBatch
from node.store.database import Database
from tests.attribution.ledgers import LEDGER
from tests.node.chain.emitters import emit

SENDER = PrivateKey(keccak(b"sender"))
NODE, PAYEE = LEDGER.node, to_address("0x" + "22" * 20)
SETTLEMENT = to_address("0x" + "33" * 20)
CHALLENGES = to_address("0x" + "44" * 20)
WORD = Bytes32(b"\x01" * 32)
HEADER = BatchHeader(NODE, 1, 1, 1, WORD, WORD, WORD, 7, WORD, 1_000)


async def chain_with(*emitted: Emitted) -> MemoryChain:
    """A chain whose only transaction emits these events."""
    chain = MemoryChain(contracts={SETTLEMENT: lambda sender, data: emitted})
    await chain.send_raw(sign_transaction(Transaction(31337, 0, SETTLEMENT, b"", 50_000, 20, 1), SENDER).raw)
    return chain


async def follow(database: Database, chain: MemoryChain) -> ChainFollower:
    contracts = {SETTLEMENT: "Settlement", CHALLENGES: "Challenges"}
    return await ChainFollower.open(database, chain, WatchedContracts(contracts, NODE), lambda: chain.now)


async def progress_after(database: Database, *emitted: Emitted) -> ChainProgress:
    """The progress on a chain whose only transaction emits these events."""
    return progress_of(await follow(database, await chain_with(*emitted)))


def posted(epoch: int = 1, active_from: int = 1_100) -> Emitted:
    header = replace(HEADER, epoch=epoch)
    values = {"node": NODE, "epoch": epoch, "headerHash": header.struct_hash(), "header": header.abi_tuple()}
    return emit("Settlement", SETTLEMENT, "BatchPosted", **values, activeFrom=active_from)


def paid(amount: int, cumulative: int) -> Emitted:
    payee = Payee.of_address(PAYEE)
    values = {"node": NODE, "payeeKind": payee.kind, "id": payee.id, "to": PAYEE, "epoch": 1}
    return emit("Settlement", SETTLEMENT, "Claimed", **values, amount=amount, cumulative=cumulative)


async def test_nothing_is_recorded_before_the_first_event(database: Database) -> None:
    progress = await progress_after(database)

    assert (progress.last_epoch, progress.active_epoch, progress.credited, progress.treasury) == (0, 0, 0, None)


async def test_posted_credited_and_active_are_told_apart(database: Database) -> None:
    progress = await progress_after(
        database,
        posted(),
        emit("Settlement", SETTLEMENT, "Credited", node=NODE, amount=5, total=7),
        emit("Settlement", SETTLEMENT, "BatchActivated", node=NODE, epoch=1, cumTotal=7),
    )

    assert (progress.last_epoch, progress.active_epoch, progress.credited) == (1, 1, 7)
    assert progress.posted[1].header_hash == HEADER.struct_hash()
    assert progress.posted[1].active_from == 1_100


@pytest.mark.parametrize("again", [False, True])
async def test_a_dead_header_is_not_posted_and_its_epoch_is_used_again(database: Database, again: bool) -> None:
    died = emit(
        "Settlement", SETTLEMENT, "HeaderDied", node=NODE, epoch=1, commitment=bytes(32), challenger=SENDER.address
    )

    progress = await progress_after(database, posted(), died, *([posted()] if again else []))

    assert progress.last_epoch == (1 if again else 0)


async def test_payments_add_up_by_payee(database: Database) -> None:
    progress = await progress_after(database, paid(3, 3), paid(4, 7))

    assert progress.paid[Payee.of_address(PAYEE)] == 7
    assert [event.amount for _, event in progress.payments] == [3, 4]


async def test_a_batch_that_this_node_did_not_make_is_a_conflict(database: Database) -> None:
    progress = await progress_after(database, posted())

    with pytest.raises(LedgerConflict, match="this database has none"):
        progress.check_against(await Book.open(database, LEDGER))


async def test_the_last_window_to_end_is_that_of_an_older_header_if_windows_were_shortened(database: Database) -> None:
    made = [posted(1, 9_000), posted(2, 2_000), posted(3, 3_000)]

    nothing_active = await progress_after(database, *made)

    assert nothing_active.active_from == 9_000


async def test_active_headers_have_no_window_to_wait_for(database: Database) -> None:
    active = emit("Settlement", SETTLEMENT, "BatchActivated", node=NODE, epoch=1, cumTotal=7)

    assert (await progress_after(database, posted(1, 9_000), active, posted(2, 2_000))).active_from == 2_000


async def test_a_ledger_whose_headers_are_all_active_waits_for_nothing(database: Database) -> None:
    active = emit("Settlement", SETTLEMENT, "BatchActivated", node=NODE, epoch=1, cumTotal=7)

    assert (await progress_after(database, posted(), active)).active_from == 0


def demanded(index: int, epoch: int = 1, node: Address = NODE) -> Emitted:
    values = {"node": node, "epoch": epoch, "index": index, "author": PAYEE, "bond": 10**15 * (index + 1)}
    return emit("Challenges", CHALLENGES, "LeafDemanded", **values, deadline=2_000 - index)


def payee_demanded(kind: int) -> Emitted:
    values = {"node": NODE, "epoch": 1, "payeeKind": kind, "id": WORD, "author": PAYEE, "bond": 10**15}
    return emit("Challenges", CHALLENGES, "PayeeDemanded", **values, deadline=1_999)


def answered(index: int) -> Emitted:
    values = {"node": NODE, "epoch": 1, "index": index, "receiptHash": WORD, "answerer": PAYEE}
    return emit("Challenges", CHALLENGES, "LeafJustified", **values)


def shown(kind: int) -> Emitted:
    values = {"node": NODE, "epoch": 1, "payeeKind": kind, "id": WORD, "cumulative": 0, "witness": b"\1"}
    return emit("Challenges", CHALLENGES, "PayeeShown", **values)


async def test_demands_are_open_until_they_are_answered_the_most_urgent_first(database: Database) -> None:
    progress = await progress_after(
        database,
        posted(),
        *(demanded(index) for index in range(6)),
        *(payee_demanded(kind) for kind in (0, 255)),
        answered(5),
        shown(255),
        demanded(0, node=PAYEE),
    )

    open_ = progress.demands.by_deadline()
    assert [demand.place for demand in open_] == [
        "leaf:4",
        "leaf:3",
        "leaf:2",
        "leaf:1",
        f"payee:0:0x{WORD.hex()}",
        "leaf:0",
    ]
    assert (open_[0].deadline, open_[0].bond, open_[0].author) == (1_996, 5 * 10**15, PAYEE)
    assert (progress.demands.hold_up(1), progress.demands.hold_up(2)) == (True, False)


async def test_a_death_ends_the_demands_and_the_next_posting_has_other_intents(
    database: Database, tmp_path: Path
) -> None:
    died = emit(
        "Settlement", SETTLEMENT, "HeaderDied", node=NODE, epoch=1, commitment=bytes(32), challenger=SENDER.address
    )
    closed = emit("Settlement", SETTLEMENT, "LedgerClosed", node=NODE, diedAt=1_234)

    alive = await progress_after(database, posted(), demanded(0))
    other = await Database.open(f"sqlite:///{tmp_path}/other.db")
    again = await progress_after(other, posted(), demanded(0), died, closed, posted(), demanded(0))
    await other.close()

    (before,), (after,) = alive.demands.by_deadline(), again.demands.by_deadline()
    assert (before.intent, after.intent) == (f"answer:{NODE}:1:leaf:0", f"answer:{NODE}:1:leaf:0:posting-2")
    assert (again.died_at, again.deaths) == (1_234, 1)
    stored = StoredBatch(HEADER, HEADER.struct_hash())
    assert again.post_intent(stored) == alive.post_intent(stored) + ":1"


async def test_a_reorganisation_takes_demands_and_answers_back(database: Database) -> None:
    chain = await chain_with(posted(), demanded(0), answered(0), demanded(1))
    follower = await follow(database, chain)
    before = progress_of(follower)

    chain.reorganise(1, keep_waiting=False)
    chain.mine()
    await follower.poll()
    after = progress_of(follower)

    assert [demand.place for demand in before.demands.by_deadline()] == ["leaf:1"]
    assert (after.demands.by_deadline(), after.demands.made.total(), after.last_epoch) == ((), 0, 0)


async def test_demands_from_before_they_were_followed_are_read_when_the_node_is_upgraded(database: Database) -> None:
    chain = await chain_with(posted(), demanded(0))
    older = WatchedContracts({SETTLEMENT: "Settlement"}, NODE)
    follower = await ChainFollower.open(database, chain, older, lambda: chain.now)
    chain.mine()
    await follower.poll()
    ignored = progress_of(follower)

    upgraded = progress_of(await follow(database, chain))
    reopened = progress_of(await follow(database, chain))

    assert ignored.demands.by_deadline() == ()
    assert [demand.place for demand in upgraded.demands.by_deadline()] == ["leaf:0"]
    assert reopened.demands.by_deadline() == upgraded.demands.by_deadline()
