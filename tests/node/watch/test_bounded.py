"""Answers that are read within bounds."""

import gzip

import httpx2
import pytest

from node.watch.bounded import AnswerUnbounded, pieces, read_whole


def answered(body: bytes, **headers: str) -> httpx2.Response:
    return httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(body))


def test_a_body_up_to_the_limit_is_read() -> None:
    assert read_whole(answered(b"x" * 100), 100) == b"x" * 100
    assert b"".join(pieces(answered(b"ab"), 2)) == b"ab"


def test_a_longer_body_is_refused() -> None:
    with pytest.raises(AnswerUnbounded, match="more than 99 bytes"):
        read_whole(answered(b"x" * 100), 99)


def test_a_compressed_body_is_refused() -> None:
    with pytest.raises(AnswerUnbounded, match="compressed"):
        read_whole(answered(gzip.compress(b"x"), **{"Content-Encoding": "gzip"}), 1 << 20)
