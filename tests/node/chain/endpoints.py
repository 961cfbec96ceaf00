"""A JSON-RPC endpoint that answers as a test wants it to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from contracts.crypto import PrivateKey, keccak, to_address
from node.chain.client import Call
from node.chain.rpc import RpcClient

SOMEBODY = PrivateKey(keccak(b"somebody")).address


CALL = Call(to_address("0x" + "51" * 20), b"\x01\x02\x03\x04")


Answer = Callable[[str, list[Any]], dict[str, Any] | bytes | int]


@asynccontextmanager
async def served(answer: Answer) -> AsyncIterator[str]:
    """The URL of a JSON-RPC server that answers with `answer(method, params)`: members, raw bytes, or a status."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        request = json.loads(await reader.readexactly(int(length.split(b":")[1])))
        reply = answer(request["method"], request["params"])
        status = b"200 OK"
        if isinstance(reply, int):
            status, reply = b"%d Busy\r\nRetry-After: 7" % reply, b""
        if isinstance(reply, dict):
            reply = json.dumps({"jsonrpc": "2.0", "id": request["id"], **reply}).encode()
        if reply != b"never":
            writer.write(b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (status, len(reply)))
            with suppress(ConnectionError):  # a client may refuse an answer before it has all of it
                writer.write(reply)
                await writer.drain()
            writer.close()
        else:
            await asyncio.sleep(3)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.close()


@asynccontextmanager
async def endpoint(answer: Answer, path: str = "") -> AsyncIterator[RpcClient]:
    """A client of such a server."""
    async with served(answer) as url:
        yield RpcClient(url + path, 31337, timeout_s=0.5)


def error(code: int, message: str, data: str | None = None) -> Answer:
    body = {"code": code, "message": message} | ({"data": data} if data is not None else {})
    return lambda method, params: {"error": body}
