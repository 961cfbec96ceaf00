"""Reading what a node answers within bounds: the node may be a stranger's, or no node at all."""

from collections.abc import Iterator

import httpx2

UNCOMPRESSED = {"Accept-Encoding": "identity"}
"""Headers that ask for an answer that is not compressed: a few bytes could expand to gigabytes."""
MAX_FILE_BYTES = 256 << 20
"""The largest receipts file. A batch of 4,096 receipts is about 10 MiB."""


class AnswerUnbounded(Exception):
    """The answer is longer than was allowed, or compressed although that was not asked for."""


def pieces(answer: httpx2.Response, limit_bytes: int) -> Iterator[bytes]:
    """The body of a streamed answer in pieces. Raises AnswerUnbounded."""
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise AnswerUnbounded("answered in a compressed form that was not asked for")
    taken = 0
    for piece in answer.iter_raw():
        taken += len(piece)
        if taken > limit_bytes:
            raise AnswerUnbounded(f"answered more than {limit_bytes} bytes")
        yield piece


def read_whole(answer: httpx2.Response, limit_bytes: int) -> bytes:
    """The body of a streamed answer. Raises AnswerUnbounded."""
    return b"".join(pieces(answer, limit_bytes))
