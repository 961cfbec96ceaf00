"""Clients that attack a listener in every way at once do not keep an honest request waiting."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from tests.node.process.serving_app import GET, Echo, Served, served

MOST_TURNS = 300
"""Turns of the event loop within which an honest request must be answered. Alone it takes 11."""
HONEST = b"POST /honest HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
LIMIT, BACKLOG, ATTACKERS = 128, 32, 30
"""As `allowance` grants them: four times as many connections as may arrive in one turn. The backlog takes all
attackers, because a connection that the kernel drops is tried again only after a second."""
OPEN: deque[asyncio.StreamWriter] = deque()
Attack = Callable[[Served], Awaitable[None]]


async def silent(node: Served) -> None:
    await _send(node, b"")


async def half_head(node: Served) -> None:
    await _send(node, GET[:10], *[bytes([byte]) for byte in GET[10:-1]])


async def half_body(node: Served) -> None:
    await _send(node, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 500)


async def endless_chunks(node: Served) -> None:
    await _send(node, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 500)


async def huge_head(node: Served) -> None:
    await _send(node, b"GET / HTTP/1.1\r\n", *[b"X-Header: " + b"a" * 4096 + b"\r\n"] * 100)


async def pipelining(node: Served) -> None:
    await _send(node, *[GET * 20] * 3)


async def unread_answers(node: Served) -> None:
    await _send(node, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", *[b""] * 500)


async def hanging_up(node: Served) -> None:
    for sent in (b"", GET[:9], GET, HONEST[:-2]):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", node.port)
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.write(sent)
            writer.close()


async def _send(node: Served, *pieces: bytes) -> None:
    """One connection that sends its pieces turn by turn, reads nothing, and is not closed by its client."""
    with suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.transport.pause_reading()  # type: ignore[attr-defined] # asyncio's socket transports can
        OPEN.append(writer)
        if len(OPEN) > 4 * LIMIT:
            OPEN.popleft().transport.abort()
        for piece in pieces:
            if writer.is_closing():
                return
            writer.write(piece)
            await asyncio.sleep(0)


ATTACKS = (silent, half_head, half_body, endless_chunks, huge_head, pipelining, unread_answers, hanging_up)


async def _forever(attack: Attack, node: Served) -> None:
    while True:
        await attack(node)
        await asyncio.sleep(0)


@pytest.mark.parametrize("attacks", [*[(attack,) for attack in ATTACKS], ATTACKS], ids=[*map(str, range(8)), "all"])
async def test_an_honest_request_is_answered_within_a_bounded_number_of_turns(attacks: tuple[Attack, ...]) -> None:
    app = Echo()
    async with served(app, LIMIT, BACKLOG) as node:
        attackers = [asyncio.create_task(_forever(attacks[n % len(attacks)], node)) for n in range(ATTACKERS)]
        for _ in range(100):
            await asyncio.sleep(0)

        took = []
        for _ in range(3):
            asking = asyncio.create_task(_ask(node))
            turns = 0
            while not asking.done():
                turns += 1
                await asyncio.sleep(0)
            took.append(turns)
            assert b" 200 " in asking.result()

        node.connections.check_integrity()
        for attacker in attackers:
            attacker.cancel()
        await asyncio.gather(*attackers, return_exceptions=True)
        while OPEN:
            OPEN.popleft().transport.abort()

    assert max(took) <= MOST_TURNS, took


async def _ask(node: Served) -> bytes:
    """An honest client: it sends its request at once, and tries again if it was cut off or refused."""
    for _ in range(20):
        with suppress(OSError):
            answer = await node.ask(HONEST)
            if b" 200 " in answer:
                return answer
    return b"never answered"
