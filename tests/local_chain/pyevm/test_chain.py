"""The py-evm chain without HTTP: durability, the clock, and refusals that anvil words or handles differently."""

import sqlite3
from pathlib import Path

import pytest
import rlp

from contracts.crypto import PrivateKey, keccak
from local_chain.accounts import dev_accounts
from local_chain.errors import CorruptChain
from local_chain.pyevm.chain import PyevmChain, TransactionRefused, raw
from tests.local_chain.engines import PAYER
from tests.local_chain.payments import payment


class Clock:
    """A clock that the test sets."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_a_reopened_chain_continues_where_it_stopped(tmp_path: Path) -> None:
    first = PyevmChain(tmp_path / "chain.sqlite")
    digests = [first.send(payment(nonce)) for nonce in range(5)]
    head, genesis = first.head, first.genesis_hash
    first.close()

    second = PyevmChain(tmp_path / "chain.sqlite")

    assert (second.head, second.genesis_hash) == (head, genesis)
    for number, digest in enumerate(digests, start=1):
        found = second.find(digest)
        assert found is not None
        assert found[0].block_number == number
    second.send(payment(5))
    assert second.state(second.head).get_nonce(raw(PAYER.address)) == 6
    second.close()


def test_a_block_is_on_disk_before_its_hash_is_returned(tmp_path: Path) -> None:
    chain = PyevmChain(tmp_path / "chain.sqlite")

    chain.send(payment(0))

    other = sqlite3.connect(tmp_path / "chain.sqlite")
    stored = other.execute("SELECT value FROM node WHERE key = ?", (b"v1:canonical_head_hash",)).fetchone()[0]
    assert stored == chain.head.hash
    other.close()
    chain.close()


def test_a_refused_transaction_leaves_no_trace(tmp_path: Path) -> None:
    chain = PyevmChain(tmp_path / "chain.sqlite")
    head = chain.head

    for change in ({"nonce": 3}, {"chainId": 1}, {"gas": 20_000}, {"gas": 10**9}, {"value": 10**40}):
        with pytest.raises(TransactionRefused):
            chain.send(payment(**({"nonce": 0} | change)))

    assert chain.head == head
    chain.send(payment(0))
    chain.close()


def test_an_untyped_transaction_for_another_chain_or_for_none_is_refused(tmp_path: Path) -> None:
    chain = PyevmChain(tmp_path / "chain.sqlite")
    untyped = {"maxFeePerGas": None, "maxPriorityFeePerGas": None, "gasPrice": 3 * 10**9}

    for chain_id in (1, None):
        with pytest.raises(TransactionRefused, match="chain id"):
            chain.send(payment(0, **untyped, chainId=chain_id))

    assert chain.send(payment(0, **untyped))
    chain.close()


def test_a_nonce_gap_is_refused_because_there_is_no_queue(tmp_path: Path) -> None:
    chain = PyevmChain(tmp_path / "chain.sqlite")

    with pytest.raises(TransactionRefused, match="next nonce 0, tx nonce 1"):
        chain.send(payment(1))
    chain.close()


def test_a_mined_transaction_sent_again_is_already_known(tmp_path: Path) -> None:
    chain = PyevmChain(tmp_path / "chain.sqlite")
    chain.send(payment(0))

    with pytest.raises(TransactionRefused, match="already known"):
        chain.send(payment(0))
    with pytest.raises(TransactionRefused, match="nonce too low"):
        chain.send(payment(0, value=2))
    chain.close()


@pytest.mark.parametrize("kind", [3, 4, 5, 0x7F])
def test_an_unsupported_transaction_type_is_named(tmp_path: Path, kind: int) -> None:
    chain = PyevmChain(tmp_path / "chain.sqlite")

    with pytest.raises(TransactionRefused, match=f"type 0x{kind:x} is not supported"):
        chain.send(bytes([kind]) + rlp.encode([b""] * 12))
    chain.close()


def test_a_transaction_with_a_broken_signature_is_refused(tmp_path: Path) -> None:
    chain = PyevmChain(tmp_path / "chain.sqlite")
    fields = rlp.decode(payment(0)[1:])

    for broken in ([*fields[:-1], bytes(32)], [*fields[:-1], b"\xff" * 32], fields[:-1]):
        with pytest.raises(TransactionRefused):
            chain.send(b"\x02" + rlp.encode(broken))
    chain.close()


def test_blocks_may_share_a_second_and_time_never_goes_back(tmp_path: Path) -> None:
    clock = Clock(1_000_000.9)
    chain = PyevmChain(tmp_path / "chain.sqlite", clock)

    times = [chain.mine().timestamp for _ in range(3)]
    clock.now = 999_000.0
    times.append(chain.mine().timestamp)
    clock.now = 1_000_007.0
    times.append(chain.mine().timestamp)

    assert times == [1_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000_007]
    chain.close()


def test_increased_time_is_kept_across_a_restart(tmp_path: Path) -> None:
    clock = Clock(1_000_000.0)
    first = PyevmChain(tmp_path / "chain.sqlite", clock)

    assert first.increase_time(100) == 100
    assert first.increase_time(20) == 120
    first.close()

    second = PyevmChain(tmp_path / "chain.sqlite", clock)
    assert second.mine().timestamp == 1_000_120
    second.close()


def test_a_database_without_its_blocks_is_refused(tmp_path: Path) -> None:
    chain = PyevmChain(tmp_path / "chain.sqlite")
    chain.mine()
    chain.close()
    connection = sqlite3.connect(tmp_path / "chain.sqlite", isolation_level=None)
    connection.execute("DELETE FROM node WHERE key <> ?", (b"v1:canonical_head_hash",))
    connection.close()

    with pytest.raises(CorruptChain, match="chain reset"):
        PyevmChain(tmp_path / "chain.sqlite")


def test_only_the_development_accounts_are_rich_at_the_start(tmp_path: Path) -> None:
    chain = PyevmChain(tmp_path / "chain.sqlite")
    state = chain.state(chain.head)

    assert all(state.get_balance(raw(key.address)) > 0 for key in dev_accounts())
    assert state.get_balance(raw(PrivateKey(keccak(b"stranger")).address)) == 0
    chain.close()
