"""Lists of models, streamed in pieces, so that a long list does not block the event loop."""

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
"""Adapters written before other tasks of the event loop get their turn."""


def listed(world: World, head: Json, shown: Shown, cursor: str | None, limit: int | None, *, base: bool) -> Response:
    """JSON of `head`, `data` and `next`: the models by name after `cursor`, with `base` the base first.

    With `limit`, one page of that many adapters and the cursor of the next page; without it all adapters.
    """
    if limit is None:
        return StreamingResponse(_whole(world, head, shown, cursor, base=base), media_type="application/json")
    cards, following = _page(world, cursor, limit, base=base)
    return JSONResponse({**head, "data": [shown(card) for card in cards], "next": following})


async def pieces(world: World, cursor: str | None = None, *, base: bool = False) -> AsyncIterator[list[ModelCard]]:
    """All models after `cursor`, PIECE at a time; other tasks of the event loop run in between.

    Models that are added or removed meanwhile may be missing; every other model is yielded once.
    """
    cards, following = _page(world, cursor, PIECE, base=base)
    yield cards
    while following is not None:
        await asyncio.sleep(0)
        cards, following = _page(world, following, PIECE, base=base)
        yield cards


async def _whole(world: World, head: Json, shown: Shown, cursor: str | None, *, base: bool) -> AsyncIterator[bytes]:
    """The JSON of `listed` without a limit, in pieces."""
    opening = "".join(f"{json.dumps(key)}:{json.dumps(value)}," for key, value in head.items())
    separator = f'{{{opening}"data":['
    async for cards in pieces(world, cursor, base=base):
        written = ",".join(json.dumps(shown(card), ensure_ascii=False, separators=(",", ":")) for card in cards)
        yield (separator + written).encode()
        separator = ","
    yield b'],"next":null}'


def _page(world: World, cursor: str | None, limit: int, *, base: bool) -> tuple[list[ModelCard], str | None]:
    """At most `limit` adapters, with `base` the base before them, and the cursor of the next page."""
    cards = world.service.models(cursor, limit + 1)
    adapters = [card for card in cards if card.adapter is not None]
    following = adapters[limit - 1].name if len(adapters) > limit else None
    return (cards if base else adapters)[: None if following is None else -1], following
