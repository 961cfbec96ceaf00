"""Errors about the chain name the endpoint without the key in its URL."""

import traceback

import pytest

from node.chain.errors import CallRefused, CallReverted, ChainError, ChainUnavailable, WrongChain
from node.chain.rpc import RpcClient
from tests.node.chain.endpoints import Answer, endpoint, error

KEY = "s3cr3t-Key_0123456789"


@pytest.mark.parametrize("place", ["127.0.0.1:1/v3/{}", "user:{}@127.0.0.1:1", "{}@127.0.0.1:1", "127.0.0.1:1/?k={}"])
async def test_an_endpoint_that_does_not_answer_is_named_without_its_key(place: str) -> None:
    with pytest.raises(ChainUnavailable) as refused:
        await RpcClient.connect("http://" + place.format(KEY), 31337)

    assert "127.0.0.1:1/***" in str(refused.value)
    assert KEY not in str(refused.value) + repr(vars(refused.value))


def test_another_chain_is_reported_without_the_key() -> None:
    assert KEY not in str(WrongChain(f"https://rpc.example/{KEY}", 1, 5))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(-32600, f"project {KEY} is over its limit"), CallRefused),
        (error(3, f"execution reverted for /v3/{KEY}"), CallReverted),
        (lambda method, params: {"error": f"no such key: {KEY}"}, CallRefused),
        (lambda method, params: f"<html>{KEY}</html>".encode(), ChainUnavailable),
        (lambda method, params: {"result": {"number": KEY}}, ChainUnavailable),
    ],
)
async def test_what_the_provider_says_is_repeated_without_the_key(answer: Answer, kind: type[ChainError]) -> None:
    async with endpoint(answer, path=f"/v3/{KEY}") as client:
        with pytest.raises(kind) as refused:
            await client.head()

    assert KEY not in str(refused.value)


async def test_a_traceback_holds_the_key_only_in_the_library_s_own_error() -> None:
    """Why logs and the command line redact as well."""
    with pytest.raises(ChainUnavailable) as refused:
        await RpcClient.connect(f"http://127.0.0.1:1/v3/{KEY}", 31337)

    assert KEY in "".join(traceback.format_exception(refused.value))
