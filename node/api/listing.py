"""Long lists of models: written in pieces, so that however many there are, nobody else waits for long."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from fastapi import Response
from fastapi.responses import JSONResponse, StreamingResponse

from node.world import World
from serving.types import ModelCard

Json = dict[str, object]
Shown = Callable[[ModelCard], Json]
PIECE = 200
"""Adapters that are written without a pause."""


def listed(world: World, head: Json, shown: Shown, cursor: str | None, limit: int | None, *, base: bool) -> Response:
    """`head`, `data` and `next`: the models by name, the base first if it is wanted, from after `cursor`.

    With `limit` that many adapters and the cursor of what follows; without it all of them.
    """
    if limit is None:
        return StreamingResponse(_whole(world, head, shown, cursor, base=base), media_type="application/json")
    cards, following = _page(world, cursor, limit, base=base)
    return JSONResponse({**head, "data": [shown(card) for card in cards], "next": following})


async def pieces(world: World, cursor: str | None = None, *, base: bool = False) -> AsyncIterator[list[ModelCard]]:
    """All models from after `cursor`, some at a time; others have their turn in between.

    What is added or removed meanwhile may be among them or not; the rest is, once.
    """
    cards, following = _page(world, cursor, PIECE, base=base)
    yield cards
    while following is not None:
        await asyncio.sleep(0)
        cards, following = _page(world, following, PIECE, base=base)
        yield cards


async def _whole(world: World, head: Json, shown: Shown, cursor: str | None, *, base: bool) -> AsyncIterator[bytes]:
    """The same JSON, piece by piece."""
    opening = "".join(f"{json.dumps(key)}:{json.dumps(value)}," for key, value in head.items())
    separator = f'{{{opening}"data":['
    async for cards in pieces(world, cursor, base=base):
        written = ",".join(json.dumps(shown(card), ensure_ascii=False, separators=(",", ":")) for card in cards)
        yield (separator + written).encode()
        separator = ","
    yield b'],"next":null}'


def _page(world: World, cursor: str | None, limit: int, *, base: bool) -> tuple[list[ModelCard], str | None]:
    """At most `limit` adapters, the base before them if it is wanted, and the cursor of the page that follows."""
    cards = world.service.models(cursor, limit + 1)
    adapters = [card for card in cards if card.adapter is not None]
    following = adapters[limit - 1].name if len(adapters) > limit else None
    return (cards if base else adapters)[: None if following is None else -1], following
