"""HEAD and OPTIONS for every path, and the methods that a path accepts, as ASGI middleware."""

from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from node.api.errors import MethodNotAllowed

_PREFLIGHT = b"access-control-request-method"
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


def allowed(scope: Scope) -> tuple[str, ...]:
    """The methods that the path of `scope` accepts, sorted; none if the application has no such path."""
    routes: list[BaseRoute] = scope["app"].routes
    found = {method for method in _METHODS if _accepts(routes, scope, method)}
    return tuple(sorted(found | ({"HEAD"} if "GET" in found else set()) | ({"OPTIONS"} if found else set())))


def _accepts(routes: list[BaseRoute], scope: Scope, method: str) -> bool:
    probe = {**scope, "method": method}
    return any(route.matches(probe)[0] is Match.FULL for route in routes)


def refusal(scope: Scope) -> MethodNotAllowed:
    """The error for a path that exists, but not for the method of `scope`."""
    method = scope.get("state", {}).get("asked_method", scope["method"])
    return MethodNotAllowed(method, scope["path"], allowed(scope))


class WebMethods:
    """Answers HEAD as GET without the body, and OPTIONS with the path's methods in `Allow` (RFC 9110, 9.3.2 and 9.3.7).

    A preflight is answered for every path, so that a web page that asks for a wrong one can read the 404.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            methods = allowed(scope)
            if methods or any(name == _PREFLIGHT for name, _ in scope["headers"]):
                await Response(status_code=204, headers={"Allow": ", ".join(methods)})(scope, receive, send)
                return
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["asked_method"] = "HEAD"
        await self._app({**scope, "method": "GET"}, receive, _without_body(send))


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head
