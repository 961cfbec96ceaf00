"""A large file is sent in pieces, whole and with its length."""

import asyncio

import pytest
from starlette.types import Message

from node.api.paced_file import PacedFile


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 1_000_000])
async def test_a_file_arrives_whole_in_pieces_of_64_kib(size: int) -> None:
    content, sent = bytes(range(256)) * (size // 256 + 1), list[Message]()

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await asyncio.Event().wait()
        return {}

    await PacedFile(content[:size], "batch-1.receipts")({"type": "http"}, receive, send)

    pieces = [message["body"] for message in sent[1:]]
    assert b"".join(pieces) == content[:size]
    assert max(map(len, pieces)) <= 65_536
    assert (b"content-length", str(size).encode()) in sent[0]["headers"]
    assert (b"content-disposition", b'attachment; filename="batch-1.receipts"') in sent[0]["headers"]
