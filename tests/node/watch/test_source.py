"""What a hostile node may answer to an auditor."""

import gzip

import pytest

from node.watch.source import MAX_ANSWER_BYTES, HttpNode, SourceMalformed, SourceUnavailable
from tests.node.cli.hostile_node import OK, answering


def test_a_compressed_answer_is_refused_before_it_expands() -> None:
    """A megabyte can expand to a gigabyte in one piece, before any bound on the whole is looked at."""
    with answering(OK + b"Content-Encoding: gzip\r\n", gzip.compress(b" " * 1_000_000)) as url:
        with pytest.raises(SourceMalformed, match="compressed"):
            HttpNode(url).card()
        with pytest.raises(SourceMalformed, match="compressed"):
            HttpNode(url).receipts_file(1)


def test_an_answer_that_is_too_large_is_refused() -> None:
    with answering(OK, b" " * (MAX_ANSWER_BYTES + 1)) as url, pytest.raises(SourceMalformed, match="more than"):
        HttpNode(url).card()


def test_an_error_answer_is_no_card() -> None:
    with answering(b"HTTP/1.1 500 x\r\n", b"{}") as url, pytest.raises(SourceUnavailable, match="answered 500"):
        HttpNode(url).card()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"chainId": "x"}', b"\xff"])
def test_nonsense_is_malformed(body: bytes) -> None:
    with answering(OK, body) as url, pytest.raises(SourceMalformed):
        HttpNode(url).card()
