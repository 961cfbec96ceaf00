from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateIndex, CreateTable

from node.store import schema
from node.store.connections import connect
from node.store.database import Database
from node.store.errors import SchemaUnknown

_WORDS = [
    *("channel_id", "adapter_key", "price_hash", "terms_hash", "shares_hash", "prompt_commit", "output_commit"),
    *("attribution_version", "tokens_in", "tokens_cached", "tokens_out", "fee", "cum_before", "voucher_max"),
    *("started_at", "finished_at", "status"),
]
OLD_RECEIPT = text(
    f"INSERT INTO receipt (receipt_id, request_id, seq, signature, node, {', '.join(_WORDS)}) "
    f"VALUES (:id, :name, :seq, :id, 'vault', {', '.join([':id'] * 7 + ['0'] * 10)})"
)


def test_migrations_build_exactly_the_tables(database_url: str) -> None:
    connections = connect(database_url)
    with connections.writer.begin() as connection:
        schema.upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        differences = compare_metadata(context, schema.metadata())

    connections.dispose()
    assert differences == [], "run scripts/schema_revision.py"


def test_every_migration_can_be_taken_back(database_url: str) -> None:
    connections = connect(database_url)
    with connections.writer.begin() as connection:
        schema.upgrade(connection)
        command.downgrade(schema.config(connection), "base")

        left = set(inspect(connection).get_table_names()) - {"alembic_version"}

    connections.dispose()
    assert left == set()


def test_an_upgraded_database_is_left_alone(database_url: str) -> None:
    connections = connect(database_url)
    for _ in range(2):
        with connections.writer.begin() as connection:
            schema.upgrade(connection)
            assert schema.revision_of(connection) == schema.newest_revision(connection)
    connections.dispose()


def test_an_older_database_keeps_its_receipts_and_numbers_them_per_vault(database_url: str) -> None:
    connections = connect(database_url)
    with connections.writer.begin() as connection:
        command.upgrade(schema.config(connection), "0001")
        for number in (1, 2):
            connection.execute(OLD_RECEIPT, {"id": bytes([number]) * 32, "name": f"r{number}", "seq": number})

    with connections.writer.begin() as connection:
        schema.upgrade(connection)
    with connections.writer.begin() as connection:
        connection.execute(OLD_RECEIPT, {"id": bytes([3]) * 32, "name": "r3", "seq": None})
        kept = connection.execute(text("SELECT seq FROM receipt ORDER BY request_id")).scalars().all()
        with pytest.raises(IntegrityError), connection.begin_nested():
            connection.execute(OLD_RECEIPT, {"id": bytes([4]) * 32, "name": "r4", "seq": 2})

    connections.dispose()
    assert kept == [1, 2, None]


def test_what_an_older_database_charged_was_announced(database_url: str) -> None:
    connections = connect(database_url)
    names = "channel_id, payer, payer_authorizer, receiver, receiver_authorizer, token, withdraw_delay, salt, balance"
    more = (
        "pending_withdraw, total_claimed, escrow_block, signed_max, signed_max_signature, charged, reserved, opened_at"
    )
    values = ":id, 'p', 'p', 'v', 'v', 't', 900, :id, :much, :none, :none, 1, :much, :id, :some, :none, 1"
    amounts = {"much": 10**30, "some": 7, "none": 0}
    if connections.writer.dialect.name == "sqlite":
        amounts = {name: f"{value:039d}" for name, value in amounts.items()}  # type: ignore[misc]
    with connections.writer.begin() as connection:
        command.upgrade(schema.config(connection), "0002")
        insert = text(f"INSERT INTO channel ({names}, {more}) VALUES ({values})")
        connection.execute(insert, {"id": bytes(32)} | amounts)

    with connections.writer.begin() as connection:
        schema.upgrade(connection)
        charged, announced = connection.execute(text("SELECT charged, announced FROM channel")).one()

    connections.dispose()
    assert int(announced) == int(charged) == 7


async def test_an_older_database_whose_channels_are_referred_to_opens(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/node.db"
    connections = connect(url)
    with connections.writer.begin() as connection:
        command.upgrade(schema.config(connection), "0002")
        texts = ("payer", "payer_authorizer", "receiver", "receiver_authorizer", "token")
        numbers = ("balance", "pending_withdraw", "total_claimed", "signed_max", "charged", "reserved")
        given: dict[str, object] = dict.fromkeys(texts, "p") | dict.fromkeys(numbers, "0" * 39)
        given |= dict.fromkeys(("channel_id", "salt", "signed_max_signature"), bytes(32))
        given |= dict.fromkeys(("withdraw_delay", "escrow_block", "opened_at"), 1)
        places = ", ".join(f":{name}" for name in given)
        connection.execute(text(f"INSERT INTO channel ({', '.join(given)}) VALUES ({places})"), given)
        voucher = "INSERT INTO voucher (channel_id, max_claimable_amount, signature) VALUES (:id, :amount, :id)"
        connection.execute(text(voucher), {"id": bytes(32), "amount": "0" * 39})
    connections.dispose()

    database = await Database.open(url)

    assert await database.read(lambda session: session.execute(text("PRAGMA foreign_key_check")).all()) == []
    assert await database.write(lambda session: session.scalar(text("PRAGMA foreign_keys"))) == 1
    await database.close()


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/node.db"
    database = await Database.open(url)
    await database.write(lambda session: session.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    await database.close()

    with pytest.raises(SchemaUnknown, match="Upgrade the node"):
        await Database.open(url)


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()])
def test_every_table_and_index_compiles(dialect: object) -> None:
    for table in schema.metadata().sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect))  # type: ignore[arg-type]
        for index in table.indexes:
            assert str(CreateIndex(index).compile(dialect=dialect))  # type: ignore[arg-type]
