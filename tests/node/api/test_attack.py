"""A paid request is served while strangers hold half requests, unfinished bodies and unread answers open."""

import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx2

from tests.node.api.paid import BODY, CHAT
from tests.node.running import NodeThread

HEAD = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1900000\r\n\r\n"
ATTACKS = (
    b"",
    b"POST /v1/chat/comp",
    HEAD,
    HEAD + b"x" * 300_000,
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2_000,
    b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n" * 50,
)


def test_an_honest_payer_is_served_during_an_attack(paid_node: NodeThread, client: httpx2.Client) -> None:
    address = urlsplit(paid_node.url).hostname, urlsplit(paid_node.url).port
    with ExitStack() as stack:
        for number in range(300):
            attacker = stack.enter_context(socket.create_connection(address))
            attacker.setblocking(False)
            try:
                attacker.send(ATTACKS[number % len(ATTACKS)])
            except (BlockingIOError, ConnectionError):  # refused already, or the buffers are full
                continue

        answers = [client.post(CHAT, json=BODY) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert all(answer.json()["receipt"]["receipt"]["fee"] != "0" for answer in answers)
