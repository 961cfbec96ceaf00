"""The official OpenAI client pays through the auth class: blocking, asynchronous, streaming, many at once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import openai
import pytest

from node.client.auth import WalletAuth
from node.client.errors import NodeDistrusted, ReceiptRefused
from tests.node.client.answers import OPEN, OUTPUT, signed_again
from tests.node.client.conftest import PAYER
from tests.node.client.node_side import URL, NodeSide

TEXT = "".join(OUTPUT)
CHAT = {"model": "dermatology", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 16}


def blocking(node: NodeSide, auth: WalletAuth) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{URL}/v1", api_key="none", http_client=httpx2.Client(transport=node, auth=auth), max_retries=1
    )


def asynchronous(node: NodeSide, auth: WalletAuth) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=f"{URL}/v1", api_key="none", http_client=httpx2.AsyncClient(transport=node, auth=auth)
    )


def test_a_chat_completion_is_paid_and_carries_its_receipt(node: NodeSide, auth: WalletAuth) -> None:
    answer = blocking(node, auth).chat.completions.create(**CHAT)  # type: ignore[call-overload]

    assert answer.choices[0].message.content == TEXT
    assert answer.receipt["receipt"]["fee"] == str(node.line().charged)
    assert len(auth.receipts) == 1


def test_a_stream_is_paid_and_its_last_chunk_carries_the_receipt(node: NodeSide, auth: WalletAuth) -> None:
    chunks = list(blocking(node, auth).chat.completions.create(**CHAT, stream=True))  # type: ignore[call-overload]

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert chunks[-1].receipt["id"] == "0x" + auth.receipts[0].id.hex()


def test_plain_completions_are_paid_streamed_or_not(node: NodeSide, auth: WalletAuth) -> None:
    client = blocking(node, auth)

    whole = client.completions.create(model="cardiology", prompt="hello", max_tokens=16)
    chunks = list(client.completions.create(model="cardiology", prompt="hello", max_tokens=16, stream=True))

    assert whole.choices[0].text == "".join(chunk.choices[0].text for chunk in chunks) == TEXT
    assert len(auth.receipts) == 2


async def test_asynchronous_calls_and_streams_are_paid(node: NodeSide, auth: WalletAuth) -> None:
    client = asynchronous(node, auth)

    answer = await client.chat.completions.create(**CHAT)  # type: ignore[call-overload]
    stream = await client.chat.completions.create(**CHAT, stream=True)  # type: ignore[call-overload]
    pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert answer.choices[0].message.content == "".join(pieces) == TEXT
    assert len(auth.receipts) == 2


async def test_fifty_asynchronous_calls_at_once_share_one_channel(node: NodeSide, auth: WalletAuth) -> None:
    client = asynchronous(node, auth)

    answers = await asyncio.gather(*[client.chat.completions.create(**CHAT) for _ in range(50)])  # type: ignore[call-overload]

    assert {answer.choices[0].message.content for answer in answers} == {TEXT}
    assert sum(receipt.receipt.fee for receipt in auth.receipts) == node.line().charged
    assert len(node.deposits) == 1


def test_threads_and_wallet_objects_share_one_channel(node: NodeSide, tmp_path: Path) -> None:
    auths = [WalletAuth(PAYER, tmp_path, deposit=OPEN) for _ in range(2)]
    blocking(node, auths[0]).chat.completions.create(**CHAT)  # type: ignore[call-overload]
    clients = [blocking(node, auth) for auth in auths * 4]

    with ThreadPoolExecutor(8) as pool:
        streams = [
            pool.submit(lambda c=client: list(c.chat.completions.create(**CHAT, stream=True))) for client in clients * 5
        ]
        assert len([stream.result() for stream in streams]) == 40

    fees = [receipt.receipt.fee for auth in auths for receipt in auth.receipts]
    assert len(fees) == 41
    assert sum(fees) == node.line().charged
    assert len(node.deposits) == 1


def test_an_empty_channel_is_a_402_of_the_api(node: NodeSide, tmp_path: Path) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        blocking(node, WalletAuth(PAYER, tmp_path)).chat.completions.create(**CHAT)  # type: ignore[call-overload]

    assert refused.value.status_code == 402


def test_a_reader_who_leaves_a_stream_early_pays_on_afterwards(node: NodeSide, auth: WalletAuth) -> None:
    client = blocking(node, auth)
    node.piece = 200

    for _ in range(5):
        with client.chat.completions.create(**CHAT, stream=True) as stream:  # type: ignore[call-overload]
            next(iter(stream))
    client.chat.completions.create(**CHAT)  # type: ignore[call-overload]

    assert len(auth.receipts) == 1
    assert node.line().signed_max <= node.line().charged + node.price(512, 16)


def test_a_wrong_receipt_ends_a_stream_with_the_reason(node: NodeSide, auth: WalletAuth) -> None:
    node.edit = lambda document: signed_again(document, fee=10**15)

    with pytest.raises(ReceiptRefused, match="fee"):
        list(blocking(node, auth).chat.completions.create(**CHAT, stream=True))  # type: ignore[call-overload]

    assert list(auth.receipts) == []


async def test_a_wrong_receipt_ends_an_asynchronous_stream_too(node: NodeSide, auth: WalletAuth) -> None:
    node.edit = lambda document: signed_again(document, fee=10**15)
    stream = await asynchronous(node, auth).chat.completions.create(**CHAT, stream=True)  # type: ignore[call-overload]

    with pytest.raises(ReceiptRefused, match="fee"):
        [chunk async for chunk in stream]


def test_a_node_with_a_wrong_receipt_is_not_paid_again(node: NodeSide, auth: WalletAuth) -> None:
    node.edit = lambda document: signed_again(document, fee=10**15)
    client = blocking(node, auth)

    with pytest.raises(ReceiptRefused, match="fee"):
        client.chat.completions.create(**CHAT)  # type: ignore[call-overload]
    with pytest.raises(NodeDistrusted, match="fee"):
        client.chat.completions.create(**CHAT)  # type: ignore[call-overload]

    assert len(node.paid()) == 1


def test_an_answer_without_a_receipt_is_refused(node: NodeSide, auth: WalletAuth) -> None:
    node.edit = lambda document: document.clear()

    with pytest.raises(ReceiptRefused, match="receipt is malformed"):
        list(blocking(node, auth).chat.completions.create(**CHAT, stream=True))  # type: ignore[call-overload]
