"""Backups: a copy made while the node sells is whole, and none is restored that lacks a signed receipt."""

import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from node.settlement import restoring
from node.settlement.errors import LedgerBroken
from node.store.errors import BackupRefused, LedgerBehind, WrongVault
from tests.node.settlement.market import Market, Stall, Town, fund, new_stall, open_market


@pytest.fixture
def stall(town: Town) -> Stall:
    return new_stall(town)


def url_of(home: Path) -> str:
    return f"sqlite:///{home}/node.db"


async def sold(town: Town, home: Path, stall: Stall, *, batches: int, backups: tuple[int, ...] = ()) -> list[Path]:
    """A node that settles `batches` batches of two receipts each, in a fresh home, and its public files.

    backups: after which batches it is backed up, to backup-N.db.
    """
    files = []
    async with open_market(town, home, stall) as market:
        await fund(market)
        for epoch in range(1, batches + 1):
            await market.serve()
            await market.serve(None)
            await market.settlement.cycle.run(market.now, force=True)
            files.append(home / f"batch-{epoch}.json")
            files[-1].write_bytes(await market.settlement.batcher.receipts_file(epoch))
            if epoch in backups:
                await restoring.create(url_of(home), home / f"backup-{epoch}.db")
    return files


async def serves_on(town: Town, home: Path, stall: Stall, seq: int) -> None:
    """The node of `home` signs receipt `seq` next, and settles it."""
    async with open_market(town, home, stall) as market:
        channel = await market.payments.channels.refresh(market.payer.channel_id)
        market.charged_before = channel.charged
        issued = await market.serve()
        assert issued.receipt.seq == seq
        await market.settlement.cycle.run(market.now, force=True)
        assert market.settlement.progress.last_epoch == len(market.settlement.book.batches)


async def test_a_backup_of_a_running_node_is_whole_and_private(market: Market, tmp_path: Path) -> None:
    await market.serve()
    await market.settlement.cycle.run(market.now, force=True)
    issued = await market.serve()

    made = await restoring.create(url_of(tmp_path), tmp_path / "b" / "copy.db")

    assert (made.vault, made.receipts, made.batches) == (market.payer.receiver.vault, 2, 1)
    assert made.charged == market.served[0].receipt.fee + issued.receipt.fee
    assert made.signers == (market.operator.address,)
    assert stat.S_IMODE((tmp_path / "b" / "copy.db").stat().st_mode) == 0o600
    assert await restoring.verify(tmp_path / "b" / "copy.db") == made


async def test_a_backup_is_never_overwritten(market: Market, tmp_path: Path) -> None:
    await restoring.create(url_of(tmp_path), tmp_path / "copy.db")

    with pytest.raises(BackupRefused, match="never overwritten"):
        await restoring.create(url_of(tmp_path), tmp_path / "copy.db")


ONE = f"'{1:039d}'"
FAULTS = {
    "a receipt is missing": "DELETE FROM receipt WHERE seq = 2",
    "a fee was changed": f"UPDATE receipt SET fee = {ONE} WHERE seq = 2",
    "a signature was changed": "UPDATE receipt SET signature = zeroblob(65) WHERE seq = 1",
    "a voucher is missing": "DELETE FROM voucher",
    "a price list is missing": "DELETE FROM preimage",
    "a channel was charged less": f"UPDATE channel SET charged = {ONE}",
    "the head is behind": "UPDATE ledger SET last_seq = 1",
    "a batch is missing": "DELETE FROM batch WHERE epoch = 1",
    "a batch has another hash": "UPDATE batch SET header_hash = zeroblob(32)",
}


async def test_verify_finds_every_fault_and_changes_nothing(town: Town, tmp_path: Path, stall: Stall) -> None:
    await sold(town, tmp_path, stall, batches=2, backups=(2,))
    whole, copy = tmp_path / "backup-2.db", tmp_path / "faulty.db"

    found = {}
    for fault, statement in FAULTS.items():
        shutil.copy(whole, copy)
        with closing(sqlite3.connect(copy)) as connection, connection:
            connection.execute(statement)
        faulty = copy.read_bytes()
        try:
            await restoring.verify(copy)
        except (LedgerBroken, BackupRefused) as error:
            found[fault] = str(error)
        assert copy.read_bytes() == faulty
    for damaged in (whole.read_bytes()[: whole.stat().st_size // 2], b"not a database"):
        copy.write_bytes(damaged)
        with pytest.raises(BackupRefused, match=r"faulty\.db cannot be copied"):
            await restoring.verify(copy)

    assert set(found) == set(FAULTS)
    assert (await restoring.verify(whole)).receipts == 4


async def test_the_newest_backup_is_restored_and_the_node_goes_on(town: Town, tmp_path: Path, stall: Stall) -> None:
    await sold(town, tmp_path, stall, batches=2, backups=(2,))
    (tmp_path / "node.db").write_bytes(b"lost")

    done = await restoring.restore(tmp_path, url_of(tmp_path), tmp_path / "backup-2.db", (), None)

    assert (done.audit.receipts, done.added, done.mark) == (4, 0, 4)
    assert done.kept is not None
    assert done.kept.read_bytes() == b"lost"
    await serves_on(town, tmp_path, stall, 5)


async def test_an_older_backup_is_refused_until_the_public_files_complete_it(
    town: Town, tmp_path: Path, stall: Stall
) -> None:
    files = await sold(town, tmp_path, stall, batches=3, backups=(1,))
    before = (tmp_path / "node.db").read_bytes()

    with pytest.raises(LedgerBehind, match=r"has 2 receipts .* but 6 were signed"):
        await restoring.restore(tmp_path, url_of(tmp_path), tmp_path / "backup-1.db", (), None)
    with pytest.raises(BackupRefused, match="give the files of the batches between them"):
        await restoring.restore(tmp_path, url_of(tmp_path), tmp_path / "backup-1.db", files[2:], None)
    assert (tmp_path / "node.db").read_bytes() == before

    done = await restoring.restore(tmp_path, url_of(tmp_path), tmp_path / "backup-1.db", files, None)

    assert (done.audit.receipts, done.audit.batches, done.added) == (6, 3, 4)
    await serves_on(town, tmp_path, stall, 7)


async def test_a_ledger_is_rebuilt_from_its_public_files_alone(town: Town, tmp_path: Path, stall: Stall) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for home in (old, new):
        home.mkdir()
    files = await sold(town, old, stall, batches=2)
    original = await restoring.create(url_of(old), old / "copy.db")

    with pytest.raises(BackupRefused, match="--last-seq"):
        await restoring.restore(new, url_of(new), None, files, None)
    done = await restoring.restore(new, url_of(new), None, files, 4)

    assert done.audit == original
    assert done.kept is None
    await serves_on(town, new, stall, 5)


async def test_what_was_signed_after_the_last_batch_cannot_be_rebuilt(town: Town, tmp_path: Path, stall: Stall) -> None:
    files = await sold(town, tmp_path, stall, batches=1)
    async with open_market(town, tmp_path, stall) as market:
        market.charged_before = (await market.payments.channels.get(market.payer.channel_id)).charged
        await market.serve()

    with pytest.raises(LedgerBehind, match="close the vault"):
        await restoring.restore(tmp_path, url_of(tmp_path), None, files, None)


async def test_a_lost_mark_is_stated_and_never_lowered(town: Town, tmp_path: Path, stall: Stall) -> None:
    await sold(town, tmp_path, stall, batches=1)
    shutil.rmtree(tmp_path / "seq-marks")

    assert await restoring.set_mark(tmp_path, url_of(tmp_path), 1) == 2
    await serves_on(town, tmp_path, stall, 3)
    assert await restoring.set_mark(tmp_path, url_of(tmp_path), 9) == 9
    with pytest.raises(LedgerBehind, match="9 were signed"):
        await serves_on(town, tmp_path, stall, 4)


async def test_a_file_of_another_vault_or_of_a_forked_ledger_is_refused(
    town: Town, tmp_path: Path, stall: Stall
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    await sold(town, tmp_path, stall, batches=1, backups=(1,))
    foreign = await sold(town, other, new_stall(town), batches=1)

    with pytest.raises(WrongVault, match="holds the ledger of the vault"):
        await restoring.restore(tmp_path, url_of(tmp_path), tmp_path / "backup-1.db", foreign, None)


@pytest.mark.parametrize("url", ["postgresql://user:secret@host/ledger"])
async def test_postgresql_is_backed_up_with_its_own_tools(tmp_path: Path, url: str) -> None:
    with pytest.raises(BackupRefused, match="pg_dump") as refused:
        await restoring.create(url, tmp_path / "copy")

    assert "secret" not in str(refused.value)
