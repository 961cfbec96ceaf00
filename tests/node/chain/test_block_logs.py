"""A block's filter: what it holds is found, and what the endpoint leaves out is noticed."""

from contracts.crypto import Bytes32, address_bytes, keccak, to_address
from node.chain.block_logs import bloom_of, may_contain
from node.chain.client import Log

HERE, ELSEWHERE = to_address("0x" + "51" * 20), to_address("0x" + "52" * 20)


def log(topic: Bytes32) -> Log:
    return Log(1, keccak(b"block"), 0, keccak(b"sent"), HERE, (topic,), b"")


def test_a_filter_contains_what_was_put_in_and_little_else() -> None:
    bloom = bloom_of([log(keccak(b"in"))])

    assert may_contain(bloom, address_bytes(HERE))
    assert may_contain(bloom, keccak(b"in"))
    assert not may_contain(bloom, address_bytes(ELSEWHERE))
    assert not may_contain(bytes(256), keccak(b"in"))


def test_the_filter_is_ethereums() -> None:
    """Three bits per entry: the low 11 bits of the first three pairs of bytes of its Keccak-256 hash."""
    digest = keccak(address_bytes(HERE))
    expected = {int.from_bytes(digest[i : i + 2]) & 2047 for i in (0, 2, 4)}
    bits = int.from_bytes(bloom_of([Log(1, keccak(b"b"), 0, keccak(b"t"), HERE, (), b"")]))

    assert {place for place in range(2048) if bits >> place & 1} == expected
