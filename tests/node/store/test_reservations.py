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


def _example() -> Channel:
    return Channel(keccak(b"channel"), Payer(RECEIVER).config, 0, 0, 0, 0, 0, b"", 0, 0, NOW)
