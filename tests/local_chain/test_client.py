"""The minimal JSON-RPC client: its answers from a chain, and its errors."""

import pytest

from local_chain.client import Head, RpcClient, RpcRefused
from local_chain.errors import ChainUnreachable
from local_chain.genesis import CHAIN_ID
from tests.local_chain.answering import answering


def test_it_reads_the_chain_id_the_genesis_hash_and_the_head(rpc_url: str) -> None:
    client = RpcClient(rpc_url)
    first = client.head()

    client.call("evm_mine")

    assert client.chain_id() == CHAIN_ID
    assert client.genesis_hash() == first.hash
    assert first.number == 0
    assert client.head().number == 1
    assert client.head().timestamp >= first.timestamp


def test_an_error_of_the_chain_is_a_refusal_with_its_message(rpc_url: str) -> None:
    with pytest.raises(RpcRefused, match=r"eth_foo .* does not exist"):
        RpcClient(rpc_url).call("eth_foo")


@pytest.mark.parametrize("body", [b"[]", b"{}", b'"0x1"', b'{"error": {"code": -32000, "message": "no"}}'])
def test_an_answer_without_a_result_is_a_refusal(body: bytes) -> None:
    with answering(body) as url, pytest.raises(RpcRefused, match="eth_chainId"):
        RpcClient(url).chain_id()


def test_a_chain_without_blocks_is_a_refusal() -> None:
    with answering(b'{"result": null}') as url, pytest.raises(RpcRefused, match="has no block latest"):
        RpcClient(url).head()


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff"])
def test_a_server_that_does_not_speak_json_is_no_chain(body: bytes) -> None:
    with answering(body) as url, pytest.raises(ChainUnreachable, match=url):
        RpcClient(url).chain_id()


def test_a_port_where_nothing_listens_is_no_chain() -> None:
    with pytest.raises(ChainUnreachable, match="chain up"):
        RpcClient("http://127.0.0.1:9").chain_id()


def test_quantities_are_parsed() -> None:
    body = b'{"result": {"number": "0x10", "hash": "0xab", "timestamp": "0x6b49d200"}}'
    with answering(body) as url:
        assert RpcClient(url).head() == Head(16, "0xab", 1_800_000_000)
