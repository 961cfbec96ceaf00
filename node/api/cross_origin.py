"""Cross-origin requests: which web pages may read the answers of the public API, as ASGI middleware."""

import re
from collections.abc import Sequence

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.payment import PAYMENT_REQUIRED, PAYMENT_RESPONSE
from node.api.web_methods import allowed

ANY_ORIGIN = "*"
_PREFLIGHT_LIFETIME_S = 86_400
"""How long a browser may keep the answer to a preflight. Browsers apply limits of their own."""
_EXPOSED = (
    PAYMENT_REQUIRED,
    PAYMENT_RESPONSE,
    "X-Request-Id",
    "Retry-After",
    "X-Should-Retry",
    "Location",
    "Allow",
    "Content-Disposition",
)
"""The headers that a page may read, besides those whose names begin with `OpenLoRA-`."""
_OURS = b"openlora-"
_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:\s*,\s*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")
_OPERATORS = ("/v1/load_lora_adapter", "/v1/unload_lora_adapter")
"""Paths for which the admin token is needed: no web page has any business there."""


class CrossOrigin:
    """Adds the headers of the Fetch standard's CORS protocol for pages from `origins`; `*` stands for every page.

    Credentials of the browser (cookies) are never allowed, and this API uses none. A preflight is answered for every
    path, so that a page that asks for a wrong path or method can read why it was refused.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app, self._origins = app, frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not self._origins or scope["path"] in _OPERATORS:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        granted = self._granted(request.headers.get("origin"))
        asked = request.headers.get("access-control-request-method")
        preflight = scope["method"] == "OPTIONS" and granted is not None and asked is not None
        headers = _preflight_headers(request) if preflight else {}
        if granted is not None:
            headers["Access-Control-Allow-Origin"] = granted
        if ANY_ORIGIN not in self._origins:
            headers["Vary"] = "Origin"
        await self._app(scope, receive, _with_headers(send, headers, exposes=granted is not None and not preflight))

    def _granted(self, origin: str | None) -> str | None:
        """What the answer to `origin` allows; None if it allows nothing."""
        if origin is None:
            return None
        if ANY_ORIGIN in self._origins:
            return ANY_ORIGIN
        return origin if origin in self._origins else None


def _preflight_headers(request: Request) -> dict[str, str]:
    """The answer to a preflight: the methods of the path, and exactly the request headers that were asked for."""
    asked = request.headers.get("access-control-request-headers", "")
    methods = allowed(request.scope) or (request.headers["access-control-request-method"],)
    headers = {
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Max-Age": str(_PREFLIGHT_LIFETIME_S),
    }
    return headers | ({"Access-Control-Allow-Headers": asked} if _NAMES.fullmatch(asked) else {})


def _with_headers(send: Send, headers: dict[str, str], *, exposes: bool) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = [*message.get("headers", [])]
            added = dict(headers)
            if exposes:
                ours = [name.decode("latin-1") for name, _ in present if name.lower().startswith(_OURS)]
                added["Access-Control-Expose-Headers"] = ", ".join([*_EXPOSED, *ours])
            message["headers"] = present + [(name.lower().encode(), value.encode()) for name, value in added.items()]
        await send(message)

    return send_with_headers
