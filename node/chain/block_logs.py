"""The events of one block, asked by its hash and checked against the block's own filter.

An endpoint behind a load balancer may not have the block yet: asked by hash it then fails, where asked by number it
answers that there are no events. An empty answer is checked with the header's `logsBloom` (Yellow Paper, 4.3.1).
"""

from collections.abc import Iterable, Sequence

from contracts.crypto import Address, Bytes32, address_bytes, keccak
from node.chain.client import Block, ChainClient, Log
from node.chain.errors import CallRefused

BLOOM_BYTES = 256
_FULL_AT = BLOOM_BYTES * 8 // 2
"""Above this many set bits a filter matches too much by chance to contradict an answer."""


def may_contain(bloom: bytes, entry: bytes) -> bool:
    """Whether a `logsBloom` may hold an address or topic; False is certain."""
    wanted = _bits(entry)
    return int.from_bytes(bloom) & wanted == wanted


def _bits(entry: bytes) -> int:
    """The three bits of an address or topic: the low 11 bits of the first three pairs of bytes of its Keccak hash."""
    digest, bits = keccak(entry), 0
    for start in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[start : start + 2]) % (BLOOM_BYTES * 8))
    return bits


def bloom_of(logs: Iterable[Log]) -> bytes:
    """The `logsBloom` of a block with these events."""
    bits = 0
    for log in logs:
        for entry in (address_bytes(log.address), *log.topics):
            bits |= _bits(entry)
    return bits.to_bytes(BLOOM_BYTES)


async def block_logs(
    client: ChainClient, block: Block, addresses: Sequence[Address], topics: Sequence[Bytes32]
) -> list[Log]:
    """The events of `addresses` in a block whose first topic is one of `topics`, in order.

    If the block's filter shows an event that the answer lacks, the events are taken from the block's receipts. Raises
    ChainError.
    """
    found = await client.logs_of_block(block.hash, addresses, topics)
    if not _lacks(block.bloom, found, addresses, topics):
        return found
    try:
        every = await client.receipt_logs(block.hash)
    except CallRefused:  # the method is optional
        return await client.logs_of_block(block.hash, addresses, topics)
    wanted = (log for log in every if log.address in addresses and log.topics and log.topics[0] in topics)
    return sorted(wanted, key=lambda log: log.place)


def _lacks(bloom: bytes | None, found: Iterable[Log], addresses: Sequence[Address], topics: Sequence[Bytes32]) -> bool:
    """Whether the filter shows an address and a topic of which `found` has no event."""
    if bloom is None or int.from_bytes(bloom).bit_count() > _FULL_AT:
        return False
    seen_addresses, seen_topics = {log.address for log in found}, {log.topics[0] for log in found}
    shown_addresses = {address for address in addresses if may_contain(bloom, address_bytes(address))}
    shown_topics = {topic for topic in topics if may_contain(bloom, topic)}
    if not shown_addresses or not shown_topics:
        return False
    return not (shown_addresses <= seen_addresses and shown_topics <= seen_topics)
