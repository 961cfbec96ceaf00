"""At the limit, a connection whose client keeps it waiting gives way; one that is being answered never does."""

import asyncio
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.process.connections import Connections, Patience, Phase
from tests.node.process.serving_app import GET, Echo, served


class Client:
    """A connection that remembers whether it was closed to make room, at once or after its answer."""

    def __init__(self) -> None:
        self.evicted, self.retired = False, False

    def retire(self) -> None:
        self.retired = True

    def evict(self) -> None:
        self.evicted = True


@given(st.lists(st.tuples(st.sampled_from(["admit", "leave", *Phase]), st.integers(0, 9)), max_size=60))
def test_the_limit_holds_and_a_connection_that_is_being_answered_is_never_closed(
    steps: list[tuple[str | Phase, int]],
) -> None:
    connections = Connections(3, Patience())
    open_now: dict[int, tuple[Client, Phase]] = {}
    for step, number in steps:
        if step == "admit" and number not in open_now:
            client, answered = Client(), [each for each, phase in open_now.values() if phase is Phase.ANSWER]
            if connections.admit(client):
                open_now[number] = client, Phase.HEAD
            open_now = {key: value for key, value in open_now.items() if not value[0].evicted}
            assert not any(each.evicted for each in answered)
        elif number in open_now and step == "leave":
            connections.left(open_now.pop(number)[0])
        elif number in open_now and isinstance(step, Phase):
            open_now[number] = open_now[number][0], step
            connections.entered(open_now[number][0], step)

        connections.check_integrity()
        assert len(connections) == len(open_now)


def test_the_longest_idle_connection_gives_way_first() -> None:
    connections = Connections(4, Patience())
    reading, body, idle, later_idle = clients = [Client() for _ in range(4)]
    for client, phase in zip(clients, (Phase.UNREAD, Phase.BODY, Phase.IDLE, Phase.IDLE), strict=True):
        assert connections.admit(client)
        connections.entered(client, phase)

    order = []
    for _ in range(4):
        fresh = Client()
        connections.admit(fresh)
        connections.entered(fresh, Phase.ANSWER)
        order += [client for client in clients if client.evicted and client not in order]

    assert order == [idle, later_idle, body, reading]
    assert not connections.admit(Client())


def test_each_refusal_lets_another_connection_end_after_its_answer() -> None:
    connections = Connections(3, Patience())
    clients = [Client() for _ in range(3)]
    for client in clients:
        assert connections.admit(client)
        connections.entered(client, Phase.ANSWER)

    for refused in range(3):
        assert not connections.admit(Client())
        assert [client.retired for client in clients].count(True) == refused + 1

    assert not any(client.evicted for client in clients)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HT",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        GET,
    ],
)
async def test_a_whole_request_is_served_however_many_connections_wait_for_their_clients(sent: bytes) -> None:
    app = Echo()
    async with served(app, limit=5, backlog=2) as node:
        waiting = [await node.connect(sent) for _ in range(40)]

        answer = await node.ask(b"GET /honest HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

        assert len(node.connections) <= 5
        for _, writer in waiting:
            writer.close()

    assert b"/honest 0" in answer


async def test_a_listener_full_of_requests_that_are_being_answered_says_503_and_when_to_retry() -> None:
    app = Echo()
    async with served(app, limit=3) as node:
        asking = [await node.connect(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(3)]
        while len(app.started) < 3:  # noqa: ASYNC110 # a list has no event
            await asyncio.sleep(0)

        refused = await node.ask(b"")
        app.release.set()
        answers = [await reader.readuntil(b"0\r\n\r\n") for reader, _ in asking]

        for _, writer in asking:
            with closing(writer):
                pass

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in refused.lower()
    assert all(b"200" in answer for answer in answers)
