"""The state machine of every adapter name: which change may begin, and which of several overlapping ones counts.

            add, replace               published                   replace
    ABSENT ─────────────▶ ADDING ────────────────▶ SERVED ◀──────────────────▶ REPLACING
       ▲ ▲                  │ failed                  │       published, failed    │
       │ └──────────────────┘                         │ remove                     │ remove
       └────────────────────────── LEAVING ◀──────────┴────────────────────────────┘
                  removed             │ failed: back to SERVED or REPLACING

| verb              | ABSENT      | ADDING      | SERVED      | REPLACING                     | LEAVING |
|-------------------|-------------|-------------|-------------|-------------------------------|---------|
| add               | begins      | `NameTaken` | `NameTaken` | `NameTaken`                   | busy    |
| replace           | begins      | begins      | begins      | begins                        | busy    |
| remove            | not found   | not found   | begins      | begins; the loads are refused | busy    |
| pin, unpin, evict | not found   | not found   | at once     | at once                       | not found |

busy: `AdapterBusy`. not found: `ModelNotFound`. Loads of one name may overlap. They are numbered in the order in which
they began, and a load that lands after one with a higher number has been published changes nothing: the name means what
it would mean had they run one after the other.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum

from serving.errors import AdapterBusy, ModelNotFound, NameTaken


class Stage(Enum):
    """Where a name is in its life; each value completes the sentence "the adapter x …"."""

    ABSENT = "is not served"
    ADDING = "is being added"
    SERVED = "is served already"
    REPLACING = "is being replaced"
    LEAVING = "is being removed"


@dataclass(slots=True, eq=False)
class _Life:
    """A name with a change under way. loads: the numbers of those; newest: of the load it means."""

    loads: set[int] = field(default_factory=set)
    newest: int = 0
    is_leaving: bool = False
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class Load:
    """One `add` or `replace` under way."""

    name: str
    number: int
    life: _Life


class NameStages:
    """The stage of every name. On the event loop. A name without changes under way costs nothing here."""

    def __init__(self, is_served: Callable[[str], bool]) -> None:
        """is_served: whether the name means a version now."""
        self._is_served = is_served
        self._lives: dict[str, _Life] = {}
        self._numbers = itertools.count(1)

    def of(self, name: str) -> Stage:
        """The name's stage; ABSENT for a name nobody has given."""
        life = self._lives.get(name)
        if life is not None and life.is_leaving:
            return Stage.LEAVING
        if life is not None and life.loads:
            return Stage.REPLACING if self._is_served(name) else Stage.ADDING
        return Stage.SERVED if self._is_served(name) else Stage.ABSENT

    def is_leaving(self, name: str) -> bool:
        """Whether the name takes no requests because it is being removed."""
        life = self._lives.get(name)
        return life is not None and life.is_leaving

    def begin_load(self, name: str, *, replace: bool) -> Load:
        """Starts an `add`, or a `replace`; `end_load` must follow. Raises NameTaken, AdapterBusy."""
        stage = self.of(name)
        if stage is Stage.LEAVING:
            raise AdapterBusy(name, f"{stage.value}. Try again when that has ended.")
        if stage is not Stage.ABSENT and not replace:
            raise NameTaken(name, stage.value)
        life = self._lives.setdefault(name, _Life())
        load = Load(name, next(self._numbers), life)
        life.loads.add(load.number)
        return load

    def end_load(self, load: Load) -> None:
        """The load was published, or has failed."""
        load.life.loads.discard(load.number)
        if not load.life.loads and not load.life.is_leaving and self._lives.get(load.name) is load.life:
            del self._lives[load.name]

    @asynccontextmanager
    async def publishing(self, load: Load) -> AsyncIterator[bool]:
        """Holds off other changes to the name while the body records the load's version, if True is yielded.

        False: a later load was published already, and the name keeps its version. Raises AdapterBusy if the name was
        removed while the version arrived.
        """
        self._check_in_life(load)
        async with load.life.writing:
            self._check_in_life(load)
            yield load.number > load.life.newest
            load.life.newest = max(load.life.newest, load.number)

    def leaving(self, name: str) -> AbstractAsyncContextManager[None]:
        """The name takes no requests and no loads from this call on, and means nothing once the body has ended well.

        The result must be entered. Raises ModelNotFound, AdapterBusy.
        """
        stage = self.of(name)
        if stage is Stage.LEAVING:
            raise AdapterBusy(name, f"{stage.value} already. Wait until that has ended.")
        if stage in (Stage.ABSENT, Stage.ADDING):
            raise ModelNotFound(name)
        life = self._lives.setdefault(name, _Life())
        life.is_leaving = True
        return self._departure(name, life)

    @asynccontextmanager
    async def _departure(self, name: str, life: _Life) -> AsyncIterator[None]:
        try:
            async with life.writing:
                yield
        except BaseException:
            life.is_leaving = False
            if not life.loads:
                del self._lives[name]
            raise
        del self._lives[name]  # `life` stays as it is: loads that belong to it are refused when they land

    @staticmethod
    def _check_in_life(load: Load) -> None:
        if load.life.is_leaving:
            raise AdapterBusy(load.name, "was removed while its new version arrived. Load it again.")
