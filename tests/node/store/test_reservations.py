"""Reservations of running requests on their channels."""

from dataclasses import replace

from sqlalchemy.orm import Session

from contracts.crypto import keccak
from node.store import channels, reservations
from node.store.channels import Channel
from node.store.reservations import Reservation
from tests.node.payments.payer import NOW, Payer
from tests.node.payments.shop import RECEIVER
from tests.node.store.channel_laws import run


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


def test_a_running_request_announces_a_charge_and_a_request_that_ended_does_not(session: Session) -> None:
    channel = replace(_example(), signed_max=100, balance=100)

    def change(session: Session) -> tuple[Reservation | None, Channel, Reservation | None, Channel]:
        channels.add(session, channel)
        assert reservations.make(session, Reservation("r", channel.channel_id, 30, NOW, voucher_max=30))
        announced = reservations.announce(session, "r", 7)
        during = channels.get(session, channel.channel_id)
        reservations.end(session, "r")
        return announced, during, reservations.announce(session, "r", 7), channels.get(session, channel.channel_id)

    announced, during, late, after = run(session, change)
    assert announced == Reservation("r", channel.channel_id, 30, NOW, voucher_max=30, announced=7)
    assert (during.announced, during.reserved, late) == (7, 30, None)
    assert after == replace(channel, announced=7)


def test_a_channel_knows_whether_a_voucher_is_being_spent(session: Session) -> None:
    channel = replace(_example(), signed_max=100, balance=100)

    def change(session: Session) -> list[bool]:
        channels.add(session, channel)
        seen = [reservations.spends_voucher(session, channel.channel_id)]
        reservations.make(session, Reservation("signed", channel.channel_id, 1, NOW))
        seen.append(reservations.spends_voucher(session, channel.channel_id))
        reservations.make(session, Reservation("stock", channel.channel_id, 1, NOW, voucher_max=100))
        seen.append(reservations.spends_voucher(session, channel.channel_id))
        reservations.end(session, "stock")
        return [*seen, reservations.spends_voucher(session, channel.channel_id)]

    assert run(session, change) == [False, False, True, False]


def _example() -> Channel:
    return Channel(keccak(b"channel"), Payer(RECEIVER).config, 0, 0, 0, 0, 0, b"", 0, 0, 0, NOW)
