"""An HTTP/1.1 connection whose client must not keep the node waiting: uvicorn's, with a time limit for every phase."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from node.process.connections import Connections, Phase

_MAX_HEAD_BYTES = 16 << 10
"""The largest head of a request is at most twice this."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error that a connection answers before the application sees a request. docs/errors.md explains each code."""

    status: int
    code: str
    message: str


_FULL = Refusal(503, "too_many_connections", "The node has too many open connections. Try again in a second.")
_TOO_SLOW = Refusal(408, "request_timeout", "The request did not arrive in time. Send it again, without pauses.")
_MALFORMED = Refusal(400, "invalid_request", "This is not a well-formed HTTP request, or its head is too large.")
REFUSALS = (_FULL, _TOO_SLOW, _MALFORMED)
_REASONS = {400: b"Bad Request", 408: b"Request Timeout", 503: b"Service Unavailable"}


class BoundedConfig(uvicorn.Config):
    """uvicorn's configuration, with the register of connections that `BoundedConnection` enters."""

    connections: Connections


class BoundedConnection(H11Protocol):
    """uvicorn's protocol. It observes what the connection waits for, and closes it when that takes too long.

    uvicorn itself limits only the time between two requests. A client could hold a connection open for ever with half
    a head, half a body, or an answer that it does not read.
    """

    def __init__(
        self,
        config: BoundedConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._register = config.connections
        self._waiting: tuple[Phase, object] | None = None
        self._timer: asyncio.TimerHandle | None = None

    # ── events of the transport ───────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Counts the connection, or answers 503 if the listener is full of requests that are being answered."""
        super().connection_made(transport)
        if not self._register.admit(self):
            self._refuse(_FULL)
        self._observe()

    def data_received(self, data: bytes) -> None:
        """Parses in slices, so that no head above the limit is ever parsed, however fast it arrives."""
        for start in range(0, len(data), _MAX_HEAD_BYTES):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + _MAX_HEAD_BYTES])
        self._observe()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection and its timers."""
        self._stop_timer()
        self._register.left(self)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def pause_writing(self) -> None:
        """The client reads more slowly than the node writes."""
        super().pause_writing()
        self._observe()

    def resume_writing(self) -> None:
        """The client has read most of what was written."""
        super().resume_writing()
        self._observe()

    # ── events of uvicorn ─────────────────────────────────────────────────────────────────────────────────────────────

    def on_response_complete(self) -> None:
        """An answer was handed to the transport."""
        super().on_response_complete()
        self._observe()

    def timeout_keep_alive_handler(self) -> None:
        """No further request came."""
        super().timeout_keep_alive_handler()
        self._observe()

    def shutdown(self) -> None:
        """The listener ends: close now, or after the current answer."""
        super().shutdown()
        self._observe()

    def send_400_response(self, msg: str) -> None:
        """The bytes are not HTTP. While an answer is being sent, no other can be: the connection is cut."""
        self._refuse(_MALFORMED)

    def _unsupported_upgrade_warning(self) -> None:
        """An upgrade may be ignored (RFC 9110 §7.8), so it is not worth two lines in the log."""

    # ── waiting ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def evict(self) -> None:
        """Closes the connection at once, to make room for another."""
        self._leave()
        self.transport.abort()

    def retire(self) -> None:
        """Closes the connection after the current answer; pipelined requests behind it are not read."""
        self.cycle.keep_alive = False

    def _observe(self) -> None:
        """Restarts the timer if the connection now waits for something else than before."""
        waiting = (self._phase(), self.cycle)
        if waiting == self._waiting:
            return
        self._waiting = waiting
        self._register.entered(self, waiting[0])
        self._stop_timer()
        seconds = self._register.patience.of(waiting[0])
        if seconds is not None:
            self._timer = self.loop.call_later(seconds, self._expire)

    def _phase(self) -> Phase:
        if self.transport.is_closing():
            return Phase.CLOSING
        if self.flow.write_paused:
            return Phase.UNREAD
        if self.conn.their_state is h11.SEND_BODY:
            return Phase.BODY
        if self.cycle is not None and not self.cycle.response_complete:
            return Phase.ANSWER
        return Phase.IDLE if self.cycle is not None and not self.conn.trailing_data[0] else Phase.HEAD

    def _expire(self) -> None:
        assert self._waiting is not None, "the timer runs only in a phase"
        if self._waiting[0] in (Phase.HEAD, Phase.BODY):
            self._refuse(_TOO_SLOW)
            self._observe()
        elif self._waiting[0] is Phase.IDLE:
            self.timeout_keep_alive_handler()
        else:
            self.evict()

    def _refuse(self, refusal: Refusal) -> None:
        """Answers without the application and closes. Cuts the connection if an answer has begun."""
        self._leave()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        status, body = refusal.status, _body(refusal)
        headers: list[tuple[bytes, bytes]] = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *([(b"retry-after", b"1")] if status == 503 else []),
        ]
        self.transport.write(self.conn.send(h11.Response(status_code=status, headers=headers, reason=_REASONS[status])))
        self.transport.write(self.conn.send(h11.Data(data=body)) + self.conn.send(h11.EndOfMessage()))
        self.transport.close()

    def _leave(self) -> None:
        """Lets the application see that its client is gone, before the transport reports it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _body(refusal: Refusal) -> bytes:
    """One document in both formats of the API's errors, because the path may be unknown."""
    kind = "server_error" if refusal.status >= 500 else "invalid_request_error"
    error = {"message": refusal.message, "type": kind, "code": refusal.code, "param": None}
    problem = {"title": refusal.message, "status": refusal.status, "code": refusal.code}
    return json.dumps({"error": error, "type": f"urn:openlora:error:{refusal.code}"} | problem).encode()
