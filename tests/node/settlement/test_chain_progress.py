"""What Settlement has recorded, from its events."""

from dataclasses import replace

import pytest

from attribution.split import Payee
from contracts.crypto import Bytes32, PrivateKey, keccak, to_address
from contracts.structs import BatchHeader
from node.chain.follower import ChainFollower, WatchedContracts
from node.chain.memory import Emitted, MemoryChain
from node.chain.transactions import Transaction, sign_transaction
from node.settlement.book import Book
from node.settlement.chain_progress import ChainProgress, progress_of
from node.settlement.errors import LedgerConflict
from node.store.database import Database
from tests.attribution.ledgers import LEDGER
from tests.node.chain.emitters import emit

SENDER = PrivateKey(keccak(b"sender"))
NODE, PAYEE = LEDGER.node, to_address("0x" + "22" * 20)
SETTLEMENT = to_address("0x" + "33" * 20)
WORD = Bytes32(b"\x01" * 32)
HEADER = BatchHeader(NODE, 1, 1, 1, WORD, WORD, WORD, 7, WORD, 1_000)


async def progress_after(database: Database, *emitted: Emitted) -> ChainProgress:
    """The progress on a chain whose only transaction emits these events."""
    chain = MemoryChain(contracts={SETTLEMENT: lambda sender, data: emitted})
    await chain.send_raw(sign_transaction(Transaction(31337, 0, SETTLEMENT, b"", 50_000, 20, 1), SENDER).raw)
    return progress_of(await ChainFollower.open(database, chain, WatchedContracts({SETTLEMENT: "Settlement"}, NODE)))


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
