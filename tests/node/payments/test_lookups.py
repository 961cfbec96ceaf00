"""Strangers cannot make the node query the chain as often as they like."""

from contracts.crypto import keccak
from node.payments.lookups import MOST_PER_PAUSE, PAUSE_S, Lookups
from tests.node.payments.payer import NOW


def test_a_channel_is_looked_up_once_per_pause() -> None:
    lookups = Lookups()

    assert lookups.take(keccak(b"a"), NOW)
    assert not lookups.take(keccak(b"a"), NOW)
    assert not lookups.take(keccak(b"a"), NOW + PAUSE_S - 1)
    assert lookups.take(keccak(b"b"), NOW)
    assert lookups.take(keccak(b"a"), NOW + PAUSE_S)


def test_all_channels_share_a_limit() -> None:
    lookups = Lookups()

    taken = [lookups.take(keccak(number.to_bytes(4)), NOW) for number in range(MOST_PER_PAUSE + 1)]

    assert taken == [True] * MOST_PER_PAUSE + [False]
    assert lookups.take(keccak(b"later"), NOW + PAUSE_S)


def test_a_refused_lookup_does_not_extend_the_pause() -> None:
    lookups = Lookups()
    lookups.take(keccak(b"a"), NOW)

    lookups.take(keccak(b"a"), NOW + PAUSE_S - 1)

    assert lookups.take(keccak(b"a"), NOW + PAUSE_S)


def test_a_clock_that_was_set_back_blocks_no_channel() -> None:
    lookups = Lookups()
    lookups.take(keccak(b"a"), NOW)

    assert lookups.take(keccak(b"a"), NOW - 1_000)
