from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_chain.errors import CorruptChain
from local_chain.pyevm.database import ChainDatabase, LogRow

Changes = list[tuple[bytes, bytes | None]]
KEYS = st.sampled_from([b"a", b"b", b"c", b""])
WRITES = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=3)), max_size=12)


def write(database: ChainDatabase, changes: Changes) -> None:
    for key, value in changes:
        if value is None:
            database.delete(key)
        else:
            database[key] = value


def contents(database: ChainDatabase) -> dict[bytes, bytes]:
    return {key: database[key] for key in (b"a", b"b", b"c", b"") if key in database}


@settings(max_examples=40, deadline=None)
@given(kept=WRITES, lost=WRITES)
def test_what_was_committed_is_there_after_reopening_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
    kept: Changes,
    lost: Changes,
) -> None:
    path = tmp_path_factory.mktemp("db") / "chain.sqlite"
    first = ChainDatabase(path)
    write(first, kept)
    expected = contents(first)
    first.commit()
    write(first, lost)
    first.close()

    second = ChainDatabase(path)

    assert contents(second) == expected
    second.close()


@settings(max_examples=40, deadline=None)
@given(kept=WRITES, lost=WRITES)
def test_discarding_brings_back_the_last_commit(
    tmp_path_factory: pytest.TempPathFactory,
    kept: Changes,
    lost: Changes,
) -> None:
    database = ChainDatabase(tmp_path_factory.mktemp("db") / "chain.sqlite")
    write(database, kept)
    database.commit()
    expected = contents(database)
    write(database, lost)

    database.discard()

    assert contents(database) == expected
    database.close()


def test_a_missing_key_is_an_error_and_deleting_it_too(tmp_path: Path) -> None:
    database = ChainDatabase(tmp_path / "chain.sqlite")

    with pytest.raises(KeyError):
        database[b"missing"]
    with pytest.raises(KeyError):
        del database[b"missing"]
    database.close()


def test_logs_come_in_chain_order_by_block_range_and_addresses(tmp_path: Path) -> None:
    database = ChainDatabase(tmp_path / "chain.sqlite")

    def row(block: int, position: int, address: bytes) -> LogRow:
        return LogRow(block, position, 0, bytes(32), bytes(32), 1, address, b"t" * 64, b"data")

    rows = [row(1, 0, b"x"), row(2, 0, b"y"), row(2, 1, b"x"), row(3, 0, b"z")]
    database.add_logs(reversed(rows))
    database.commit()

    assert database.logs(0, 9, []) == rows
    assert database.logs(2, 2, []) == rows[1:3]
    assert database.logs(0, 9, [b"x", b"z"]) == [rows[0], rows[2], rows[3]]
    assert rows[0].topic_words() == [b"t" * 32] * 2
    database.close()


def test_a_file_that_is_no_database_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "chain.sqlite"
    path.write_bytes(b"not a database, but long enough to look like one" * 100)

    with pytest.raises(CorruptChain, match="chain reset"):
        ChainDatabase(path)
