"""A connection may wait for its client only so long, in every phase of a request."""

import asyncio
import logging
from contextlib import suppress

import pytest

from tests.node.process.serving_app import GET, Echo, served

CLOSE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
BODY = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
SHORT = 0.05


@pytest.mark.parametrize("sent", [b"G", GET[:-2], GET[:-4] + b"\r\nX-Header: a", b"\r\n"])
async def test_half_a_head_is_answered_408_and_closed(sent: bytes) -> None:
    async with served(Echo(), head_s=SHORT) as node:
        answer = await node.ask(sent)

        await node.holding(0)

    assert answer.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 ")), "an empty request line is malformed at once"


async def test_a_connection_that_sends_nothing_is_closed() -> None:
    async with served(Echo(), head_s=SHORT) as node:
        await node.ask(b"")

        await node.holding(0)


async def test_a_head_that_trickles_in_has_no_more_time_than_one_that_stops() -> None:
    async with served(Echo(), head_s=0.2) as node:
        reader, writer = await node.connect()

        async def trickle() -> None:
            with suppress(ConnectionError):
                for byte in GET[:-1] * 1000:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.01)

        trickling = asyncio.create_task(trickle())
        answer = await reader.read()
        trickling.cancel()

    assert b" 408 " in answer


async def test_half_a_body_ends_the_request_and_closes() -> None:
    app = Echo()
    async with served(app, body_s=SHORT) as node:
        answer = await node.ask(BODY + b"12345")

        await node.holding(0)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert (app.left, app.answered) == (1, [])


async def test_a_client_that_expects_100_and_sends_no_body_is_closed() -> None:
    async with served(Echo(), body_s=SHORT) as node:
        answer = await node.ask(BODY[:-2] + b"Expect: 100-continue\r\n\r\n")

        await node.holding(0)

    assert answer.startswith(b"HTTP/1.1 100 ")


async def test_a_client_that_does_not_read_its_answer_is_cut_off() -> None:
    app = Echo()
    async with served(app, write_s=SHORT) as node:
        _, writer = await node.connect(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined] # the kernel's buffers fill, and nothing more is read

        await node.holding(1)
        await node.holding(0)

        writer.close()


async def test_an_idle_connection_is_closed_and_a_used_one_serves_many_requests() -> None:
    app = Echo()
    async with served(app, idle_s=1) as node:
        reader, writer = await node.connect()
        for _ in range(3):
            writer.write(GET)
            assert b" 200 " in await reader.readuntil(b"0\r\n\r\n")
        rest = await reader.read()

        await node.holding(0)
        writer.close()

    assert rest == b""
    assert app.answered == ["/"] * 3


async def test_half_a_second_request_has_the_time_of_a_head_and_not_of_an_idle_connection() -> None:
    async with served(Echo(), head_s=SHORT, idle_s=1000) as node:
        answer = await node.ask(GET + GET[:-2])

        await node.holding(0)

    assert b" 200 " in answer
    assert b" 408 " in answer


async def test_an_answer_may_take_longer_than_every_time_limit_of_the_client() -> None:
    app = Echo()
    async with served(app, head_s=SHORT, body_s=SHORT, write_s=SHORT, idle_s=1) as node:
        reader, writer = await node.connect(b"GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await asyncio.sleep(4 * SHORT)
        app.release.set()

        assert b" 200 " in await reader.read()
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000,
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 40_000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"junk\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_a_huge_or_malformed_head_is_refused_without_reaching_the_application(head: bytes) -> None:
    app = Echo()
    async with served(app, head_s=SHORT) as node:
        with suppress(ConnectionError):  # it is closed while the client still sends
            answer = await node.ask(head)
            assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 "))

        await node.holding(0)

    assert app.started == []


async def test_junk_in_a_body_whose_answer_has_begun_cuts_the_connection_and_logs_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hasty(scope: object, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await receive()  # type: ignore[operator]
        await receive()  # type: ignore[operator]

    caplog.set_level(logging.WARNING)
    async with served(hasty) as node:  # type: ignore[arg-type] # as small as an ASGI application gets
        reader, writer = await node.connect(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"no chunk\r\n")
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

        await node.holding(0)

    assert not any(record.exc_info for record in caplog.records)


async def test_pipelined_requests_are_answered_in_order_one_at_a_time() -> None:
    app = Echo()
    paths = [f"/{number}" for number in range(50)]
    async with served(app) as node:
        heads = [f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in paths]
        answer = await node.ask(b"".join(heads) + CLOSE)

    assert app.answered == [*paths, "/"]
    assert answer.count(b"HTTP/1.1 200 OK") == 51
