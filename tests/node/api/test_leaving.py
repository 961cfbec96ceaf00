"""A client that leaves stops the generation, and its receipt bills what was produced."""

import json
import socket
import struct
import time
from urllib.parse import urlsplit

import httpx2
import pytest

from contracts.structs import UsageReceipt
from node.dev.starter import BASE_NAME
from node.world import World
from tests.node.running import NodeThread

LONG = {"model": BASE_NAME, "prompt": "Hello", "max_tokens": 500, "ignore_eos": True}


async def all_receipts(world: World) -> dict[bytes, UsageReceipt]:
    return {stored.receipt_id: stored.receipt for stored in await world.receipts.latest(limit=1000)}


def receipt_after(node: NodeThread, known: dict[bytes, UsageReceipt]) -> UsageReceipt:
    """The one receipt that is not yet in `known`, once it is there."""
    for _ in range(500):
        fresh = [receipt for key, receipt in node.run(all_receipts).items() if key not in known]
        if fresh:
            return fresh[0]
        time.sleep(0.02)
    pytest.fail("no receipt came")


def test_closing_a_stream_aborts_it(node: NodeThread, http: httpx2.Client) -> None:
    before = node.run(all_receipts)

    with http.stream("POST", "/v1/completions", json=LONG | {"stream": True}) as stream:
        next(stream.iter_lines())
    receipt = receipt_after(node, before)

    assert receipt.status == 1
    assert 1 <= receipt.tokens_out < 500


def test_hanging_up_on_a_plain_answer_aborts_it(node: NodeThread, http: httpx2.Client) -> None:
    before = node.run(all_receipts)
    request = http.build_request("POST", "/v1/completions", json=LONG)
    head = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(request.content)}\r\n\r\n"

    with socket.create_connection((urlsplit(node.url).hostname, urlsplit(node.url).port)) as connection:
        connection.sendall(head.encode() + request.content)
        while not len(node.world.runs):
            time.sleep(0.001)
    receipt = receipt_after(node, before)

    assert receipt.status == 1
    assert receipt.tokens_out < 500


BODY = json.dumps(LONG | {"stream": True}).encode()
HEAD = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
CHUNKED = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("hard", [False, True], ids=["closing", "resetting"])
@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"", 0),
        (b"POST /v1/comp", 0),
        (HEAD, 0),
        (HEAD + BODY[:20], 0),
        (CHUNKED + b"5\r\nhel", 0),
        (HEAD + BODY, 0),
        (HEAD + BODY, 1),
        (HEAD + BODY, 2000),
        (HEAD + BODY + HEAD, 1),
        (HEAD.replace(b"/v1/completions", b"/payments/channels") + BODY[:20], 0),
        (b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n" * 20, 1),
        (b"GET /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", 1),
    ],
)
def test_a_client_that_leaves_at_any_point_leaves_no_traceback(
    node: NodeThread, http: httpx2.Client, capfd: pytest.CaptureFixture[str], sent: bytes, read: int, hard: bool
) -> None:
    with socket.create_connection((urlsplit(node.url).hostname, urlsplit(node.url).port)) as connection:
        if hard:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(sent)
        got = 0
        while got < read:
            got += len(connection.recv(1000))
    assert http.get("/healthz").is_success
    while len(node.world.runs):
        time.sleep(0.01)

    errors = capfd.readouterr().err
    assert "Traceback" not in errors
    assert len(errors.splitlines()) <= 1
