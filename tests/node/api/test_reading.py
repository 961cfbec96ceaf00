"""No more of a body is read than its limit allows."""

import pytest
from starlette.requests import Request
from starlette.types import Message

from node.api.errors import BodyTooLarge
from node.api.reading import read_body


class Sent:
    """A request whose body arrives in parts; `taken` counts those that were read."""

    def __init__(self, *parts: bytes, announced: int | None = None) -> None:
        self.taken = 0
        self._parts = parts
        headers = [] if announced is None else [(b"content-length", str(announced).encode())]
        self.request = Request({"type": "http", "method": "POST", "headers": headers}, self._receive)

    async def _receive(self) -> Message:
        self.taken += 1
        more = self.taken < len(self._parts)
        return {"type": "http.request", "body": self._parts[self.taken - 1], "more_body": more}


async def test_a_body_up_to_the_limit_is_returned_whole() -> None:
    assert await read_body(Sent(b"ab", b"", b"cd", announced=4).request, 4) == b"abcd"


async def test_an_announced_length_above_the_limit_is_refused_unread() -> None:
    sent = Sent(b"abcde", announced=5)

    with pytest.raises(BodyTooLarge):
        await read_body(sent.request, 4)

    assert sent.taken == 0


async def test_a_body_that_grows_beyond_the_limit_is_not_read_on() -> None:
    sent = Sent(b"abc", b"de", b"fg", b"hi")

    with pytest.raises(BodyTooLarge):
        await read_body(sent.request, 4)

    assert sent.taken == 2
