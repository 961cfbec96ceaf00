"""One request at a time on each channel whose client signs vouchers only; the others wait for their turn.

Such a client signs from its own sum of charges, so of many requests that it sends at once all but one have a voucher
that is wrong by the time of their turn. Each gets a 402 from which the client recovers: it signs again and comes back
at once. The channel is kept free for that voucher during GRACE_S; otherwise the next in the queue would take the
channel's state further, and the corrected voucher would be wrong again.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from contracts.crypto import Bytes32
from node.payments.errors import ChannelBusy

MOST_WAITING = 256
"""How many requests may wait for one channel."""
PATIENCE_S = 120.0
"""How long a request may wait for its turn."""
GRACE_S = 2.0
"""How long a channel is kept for a client that was told how to sign."""


@dataclass(slots=True)
class _Line:
    """The queue of one channel. expected: the voucher that the channel is kept for."""

    taken: bool = False
    expected: int | None = None
    grace: asyncio.TimerHandle | None = None
    waiting: deque[tuple[int, asyncio.Future[None]]] = field(default_factory=deque)


class Turns:
    """The queues of all channels. One event loop owns it."""

    def __init__(
        self, *, most_waiting: int = MOST_WAITING, patience_s: float = PATIENCE_S, grace_s: float = GRACE_S
    ) -> None:
        self._most_waiting, self._patience_s, self._grace_s = most_waiting, patience_s, grace_s
        self._lines: dict[Bytes32, _Line] = {}

    async def take(self, channel_id: Bytes32, voucher_max: int) -> None:
        """Waits for the turn of this voucher, which must be ended afterwards. ChannelBusy if that takes too long."""
        line = self._lines.setdefault(channel_id, _Line())
        if not line.taken and line.expected in (None, voucher_max):
            self._start(line)
            return
        if len(line.waiting) >= self._most_waiting:
            raise ChannelBusy(channel_id)
        turn = asyncio.get_running_loop().create_future()
        entry = (voucher_max, turn)
        line.waiting.append(entry)
        try:
            await asyncio.wait_for(asyncio.shield(turn), self._patience_s)
        except TimeoutError:
            if turn.done():
                return  # the turn came at the last moment
            line.waiting.remove(entry)
            raise ChannelBusy(channel_id) from None
        except asyncio.CancelledError:
            if turn.done():
                self.end(channel_id)
            else:
                line.waiting.remove(entry)
            raise

    def end(self, channel_id: Bytes32, expected: int | None = None) -> None:
        """Ends the turn. expected: the voucher that the client of this turn was told to sign."""
        line = self._lines[channel_id]
        assert line.taken, "a turn ends once"
        line.taken = False
        if expected is not None and not any(voucher_max == expected for voucher_max, _ in line.waiting):
            line.expected = expected
            line.grace = asyncio.get_running_loop().call_later(self._grace_s, self._next, channel_id)
        else:
            self._next(channel_id, expected)

    def _start(self, line: _Line) -> None:
        if line.grace is not None:
            line.grace.cancel()
        line.taken, line.expected, line.grace = True, None, None

    def _next(self, channel_id: Bytes32, preferred: int | None = None) -> None:
        """Gives the turn to the voucher that is expected, else to whoever has waited longest."""
        line = self._lines[channel_id]
        line.expected = None
        if not line.waiting:
            del self._lines[channel_id]
            return
        entry = next((entry for entry in line.waiting if entry[0] == preferred), line.waiting[0])
        line.waiting.remove(entry)
        self._start(line)
        entry[1].set_result(None)
