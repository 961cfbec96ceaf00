"""Lists of models in pieces: every model once, and other work in between."""

import asyncio

import httpx2
import pytest

from node.api import listing
from node.dev import starter
from node.world import World
from serving.types import ModelCard
from tests.node.running import NodeThread


def test_the_event_loop_runs_other_tasks_between_pieces(node: NodeThread, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PIECE", 1)

    async def count(world: World) -> tuple[list[list[ModelCard]], int]:
        turns, done = 0, asyncio.Event()

        async def other() -> None:
            nonlocal turns
            while not done.is_set():
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        pieces = [piece async for piece in listing.pieces(world, base=True)]
        done.set()
        await task
        return pieces, turns

    pieces, turns = node.run(count)

    names = [card.name for piece in pieces for card in piece]
    assert len(names) == len(set(names)) > len(starter.pack().adapters)
    assert turns >= len(pieces) - 1


def test_a_cursor_starts_after_its_name_whether_it_exists_or_not(http: httpx2.Client) -> None:
    names = [each["name"] for each in http.get("/adapters").json()["data"]]

    for cursor in (names[0], names[0] + "!"):
        for limit in ({}, {"limit": "100"}):
            rest = http.get("/adapters", params={"cursor": cursor, **limit}).json()
            assert [each["name"] for each in rest["data"]] == names[1:]
            assert rest["next"] is None


def test_the_last_page_has_no_cursor(http: httpx2.Client) -> None:
    names = [each["name"] for each in http.get("/adapters").json()["data"]]

    assert http.get("/adapters", params={"limit": len(names)}).json()["next"] is None
    assert http.get("/adapters", params={"limit": len(names) - 1}).json()["next"] == names[-2]
