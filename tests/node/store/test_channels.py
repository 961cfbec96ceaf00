"""Accounts of channels: what SQL reserves and charges is what the rule in integers says."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from contracts.crypto import Bytes32
from node.store import channels
from node.store.channels import Channel
from tests.node.payments.payer import NOW, Payer
from tests.node.payments.shop import RECEIVER
from tests.node.store.channel_laws import amounts, law, run


@st.composite
def stored_channels(draw: st.DrawFn) -> Channel:
    charged = draw(amounts)
    return Channel(
        channel_id=Bytes32(draw(st.binary(min_size=32, max_size=32))),
        config=Payer(RECEIVER).config,
        balance=draw(amounts),
        pending_withdraw=draw(amounts),
        total_claimed=draw(amounts),
        escrow_block=draw(st.integers(0, 2**40)),
        signed_max=draw(amounts),
        signed_max_signature=draw(st.binary(max_size=65)),
        charged=charged,
        reserved=draw(amounts),
        announced=charged + draw(st.integers(0, 2**100)),
        opened_at=NOW,
    )


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
@given(channel=stored_channels(), fee=amounts, more=st.integers(0, 2**100))
def test_sql_charges_only_what_is_signed_and_escrowed(session: Session, channel: Channel, fee: int, more: int) -> None:
    def change(session: Session) -> tuple[Channel | None, Channel]:
        channels.add(session, channel)
        charged = channels.charge(session, channel.channel_id, held=channel.reserved, fee=fee, announce=more)
        return charged, channels.get(session, channel.channel_id)

    fits = channel.charged + fee <= min(channel.signed_max, channel.balance)
    announced = max(channel.announced + more, channel.charged + fee)
    after = replace(channel, charged=channel.charged + fee, announced=announced, reserved=0) if fits else channel
    assert run(session, change) == (after if fits else None, after)


@law
@given(channel=stored_channels())
def test_a_channel_is_leaving_while_a_withdrawal_is_pending_and_the_escrow_holds_what_it_owes(
    session: Session, channel: Channel
) -> None:
    def change(session: Session) -> frozenset[Bytes32]:
        channels.add(session, channel)
        return channels.leaving(session)

    owes = channel.pending_withdraw > 0 and min(channel.charged, channel.balance) > channel.total_claimed
    assert run(session, change) == ({channel.channel_id} if owes else set())


@law
@given(channel=stored_channels(), fee=st.integers(1, 2**90))
def test_a_charge_that_another_database_had_is_announced(session: Session, channel: Channel, fee: int) -> None:
    def change(session: Session) -> Channel:
        channels.add(session, channel)
        assert channels.charge_again(session, channel.channel_id, cum_before=channel.charged, fee=fee)
        assert not channels.charge_again(session, channel.channel_id, cum_before=channel.charged, fee=fee)
        return channels.get(session, channel.channel_id)

    charged = channel.charged + fee
    assert run(session, change) == replace(channel, charged=charged, announced=max(channel.announced, charged))
