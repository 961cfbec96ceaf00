from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from contracts.crypto import Bytes32, keccak
from node.store import channels, reservations, schema
from node.store.channels import Channel
from node.store.columns import Amount, least, minus_or_zero, plus
from node.store.connections import connect
from node.store.reservations import Reservation
from tests.node.payments.payer import NOW, Payer
from tests.node.payments.shop import RECEIVER

T = TypeVar("T")

amounts = st.integers(0, 2**120) | st.integers(0, 20) | st.integers(2**63 - 9, 2**64 + 9)
law = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@st.composite
def stored_channels(draw: st.DrawFn) -> Channel:
    return Channel(
        channel_id=Bytes32(draw(st.binary(min_size=32, max_size=32))),
        config=Payer(RECEIVER).config,
        balance=draw(amounts),
        pending_withdraw=draw(amounts),
        total_claimed=draw(amounts),
        escrow_block=draw(st.integers(0, 2**40)),
        signed_max=draw(amounts),
        signed_max_signature=draw(st.binary(max_size=65)),
        charged=draw(amounts),
        reserved=draw(amounts),
        opened_at=NOW,
    )


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    """A transaction on an empty schema that is never committed."""
    connections = connect(database_url)
    with connections.writer.begin() as connection:
        schema.upgrade(connection)
    with Session(connections.writer) as opened:
        yield opened
    connections.dispose()


def run(session: Session, change: Callable[[Session], T]) -> T:
    """`change`, undone afterwards."""
    try:
        return change(session)
    finally:
        session.rollback()


@law
@given(channel=stored_channels())
def test_a_channel_comes_back_as_it_was_stored(session: Session, channel: Channel) -> None:
    def change(session: Session) -> Channel | None:
        channels.add(session, channel)
        return channels.find(session, channel.channel_id)

    assert run(session, change) == channel


@law
@given(channel=stored_channels(), amount=amounts)
def test_sql_reserves_exactly_when_the_rule_in_integers_says_so(
    session: Session, channel: Channel, amount: int
) -> None:
    def change(session: Session) -> tuple[bool, int]:
        channels.add(session, channel)
        made = channels.reserve(session, channel.channel_id, amount)
        return made, channels.get(session, channel.channel_id).reserved

    ceiling = min(channel.signed_max, max(channel.balance - channel.pending_withdraw, 0))
    fits = channel.charged + channel.reserved + amount <= ceiling
    assert run(session, change) == (fits, channel.reserved + amount if fits else channel.reserved)


@law
@given(channel=stored_channels(), fee=amounts)
def test_sql_charges_only_what_is_signed_and_escrowed(session: Session, channel: Channel, fee: int) -> None:
    def change(session: Session) -> tuple[Channel | None, Channel]:
        channels.add(session, channel)
        charged = channels.charge(session, channel.channel_id, held=channel.reserved, fee=fee)
        return charged, channels.get(session, channel.channel_id)

    fits = channel.charged + fee <= min(channel.signed_max, channel.balance)
    after = replace(channel, charged=channel.charged + fee, reserved=0) if fits else channel
    assert run(session, change) == (after if fits else None, after)


@law
@given(a=amounts, b=amounts, c=amounts)
def test_sql_counts_like_integers(session: Session, a: int, b: int, c: int) -> None:
    def change(session: Session) -> tuple[int, int, int, bool]:
        x, y, z = (literal(value, Amount()) for value in (a, b, c))
        row = session.execute(select(plus(x, y, z), minus_or_zero(x, y), least(x, y), plus(x, y) <= z)).one()
        return row[0], row[1], row[2], bool(row[3])

    assert run(session, change) == (a + b + c, max(a - b, 0), min(a, b), a + b <= c)


def test_reserving_and_releasing_leaves_a_channel_as_it_was(session: Session) -> None:
    channel = replace(_example(), reserved=0, charged=0, signed_max=100, balance=100, pending_withdraw=0)

    def change(session: Session) -> tuple[int, Channel | None, int]:
        channels.add(session, channel)
        for i in range(5):
            assert reservations.make(session, Reservation(f"r{i}", channel.channel_id, 10 + i, NOW))
        held = channels.get(session, channel.channel_id).reserved
        assert reservations.end(session, "r1") == Reservation("r1", channel.channel_id, 11, NOW)
        assert reservations.end(session, "r1") is None
        released = reservations.end_all(session)
        return held, channels.find(session, channel.channel_id), released

    assert run(session, change) == (60, channel, 4)


def _example() -> Channel:
    return Channel(keccak(b"channel"), Payer(RECEIVER).config, 0, 0, 0, 0, 0, b"", 0, 0, NOW)
