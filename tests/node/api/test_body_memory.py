"""All request bodies together have a limit, and slow ones give way to one that arrives whole."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from node.api.body_memory import BodyMemory, BoundedBodies
from serving.errors import Overloaded

HTTP: Scope = {"type": "http"}


async def no_send(message: Message) -> None: ...


class Slow:
    """A client whose body arrives in parts when the test says so."""

    def __init__(self, memory: BodyMemory) -> None:
        self._parts: asyncio.Queue[Message] = asyncio.Queue()
        self.read = 0
        self.more = True
        self.may_end = asyncio.Event()
        self._served = BoundedBodies(self._app, memory)
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        await self._served(HTTP, self._parts.get, no_send)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        while self.more:
            message = await receive()
            self.read += len(message["body"])
            self.more = message["more_body"]
        await self.may_end.wait()

    async def send(self, nbytes: int, *, more: bool) -> None:
        self._parts.put_nowait({"type": "http.request", "body": b"x" * nbytes, "more_body": more})
        for _ in range(10):
            await asyncio.sleep(0)


async def settled(client: Slow) -> BaseException | None:
    client.may_end.set()
    return (await asyncio.gather(client.task, return_exceptions=True))[0]


async def test_the_oldest_unfinished_body_gives_way_to_one_that_arrives() -> None:
    memory = BodyMemory(100)
    first, second, honest = Slow(memory), Slow(memory), Slow(memory)
    await first.send(50, more=True)
    await second.send(50, more=True)

    await honest.send(40, more=False)

    assert isinstance(await settled(first), Overloaded)
    assert memory.held_bytes == 90
    await second.send(1, more=False)
    assert await settled(second) is await settled(honest) is None
    assert memory.held_bytes == 0


async def test_a_body_is_refused_while_complete_ones_hold_the_memory_and_welcome_afterwards() -> None:
    memory = BodyMemory(100)
    running = Slow(memory)
    await running.send(80, more=False)

    refused = Slow(memory)
    await refused.send(40, more=False)
    error = await settled(refused)
    await settled(running)
    again = Slow(memory)
    await again.send(100, more=False)

    assert isinstance(error, Overloaded)
    assert error.retry_after_s >= 1
    assert await settled(again) is None


async def test_a_body_larger_than_all_memory_is_refused_and_frees_what_it_held() -> None:
    memory = BodyMemory(100)
    large = Slow(memory)
    await large.send(90, more=True)
    await large.send(90, more=True)

    assert isinstance(await settled(large), Overloaded)
    assert memory.held_bytes == 0


async def test_a_connection_costs_nothing_until_bytes_arrive() -> None:
    memory = BodyMemory(1)
    silent = [Slow(memory) for _ in range(100)]
    await silent[0].send(0, more=True)

    assert memory.held_bytes == 0
    for client in silent:
        await client.send(0, more=False)
        assert await settled(client) is None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60), st.booleans()), max_size=30))
def test_the_limit_holds_and_nothing_is_held_in_the_end(steps: list[tuple[int, int, bool]]) -> None:
    async def run() -> None:
        memory = BodyMemory(100)
        clients: dict[int, Slow] = {}
        for number, nbytes, more in steps:
            client = clients.setdefault(number, Slow(memory))
            await client.send(nbytes, more=more)
            assert 0 <= memory.held_bytes <= 100
        for client in clients.values():
            await client.send(0, more=False)
            assert isinstance(await settled(client), Overloaded | None)
        assert memory.held_bytes == 0

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
async def test_other_scopes_pass_through(kind: str) -> None:
    passed: list[tuple[object, object]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append((scope["type"], receive))

    async def receive() -> Message:
        return {}

    serve: Callable[[Scope, Receive, Send], Awaitable[None]] = BoundedBodies(app, BodyMemory(1))
    await serve({"type": kind}, receive, no_send)

    assert passed == [(kind, receive)]
