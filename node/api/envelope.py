"""What every answer has: a request id, one log line, and error bodies in the format of the path."""

import logging
import re
import time
import uuid

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.payment import PAYMENT_REQUIRED, to_header
from node.api import web_methods
from node.api.bazaar import with_bazaar
from node.api.errors import (
    INTERNAL,
    TABLE,
    InvalidBody,
    NotFound,
    answer,
    fault_of,
    openai_body,
    problem_body,
)
from node.metrics.metrics import Metrics
from node.payments.challenge import payment_required
from node.payments.errors import PaymentRequired

_log = structlog.get_logger("node.http")
CLIENT_CLOSED_REQUEST = 499
"""The status that the log shows for a request whose client left before its answer."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Envelope:
    """ASGI middleware that sets `X-Request-Id`, logs every request, and answers unexpected exceptions with 500.

    It takes over the client's request id if it is well-formed. It is no `BaseHTTPMiddleware`, so that answers stream
    through unchanged.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request. Other ASGI scopes pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        request_id = _request_id(request)
        request.state.request_id = request_id
        request.state.reply_headers = {}
        started, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = status or CLIENT_CLOSED_REQUEST  # nobody reads an answer; the line below is all there is to say
        except Exception as error:
            _log.error("request_failed", request_id=request_id, path=scope["path"], exc_info=error)
            if status == 0:
                await error_response(request, error, self._metrics)(scope, receive, send_with_id)
        finally:
            took_ms = round((time.perf_counter() - started) * 1000, 1)
            level = logging.DEBUG if scope["path"] in ("/healthz", "/readyz", "/metrics", "/health") else logging.INFO
            event = {"request_id": request_id, "method": scope["method"], "path": scope["path"], "status": status}
            _log.log(level, "request_answered", **event, took_ms=took_ms)


def _request_id(request: Request) -> str:
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def install(app: FastAPI, metrics: Metrics) -> None:
    """Add Envelope, and handlers that answer the errors of the table and of the framework in our format."""

    async def on_known(request: Request, error: Exception) -> Response:
        return error_response(request, error, metrics)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        translated: dict[int, Exception] = {
            404: NotFound(f"path {request.url.path}"),
            405: web_methods.refusal(request.scope),
        }
        return error_response(request, translated.get(error.status_code, InvalidBody(None, error.detail)), metrics)

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        param = ".".join(str(part) for part in first["loc"][1:])
        return error_response(request, InvalidBody(param, first["msg"]), metrics)

    for fault in TABLE:
        app.add_exception_handler(fault.exception, on_known)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_middleware(Envelope, metrics=metrics)


def error_response(request: Request, error: Exception, metrics: Metrics) -> Response:
    """The answer that reports `error`: OpenAI's error body under /v1, RFC 9457 problem details elsewhere."""
    reply = answer(error, request.app.state.world.settings.redactor)
    metrics.refused(reply.code)
    headers = {**request.state.reply_headers, **reply.headers}
    if isinstance(error, PaymentRequired):
        terms = payment_required(error, str(request.url))
        model = request.app.state.world.service.base_name
        headers[PAYMENT_REQUIRED] = to_header(with_bazaar(terms, request.url.path, model))
    if fault_of(error) is not INTERNAL and reply.status >= 500:
        _log.warning("request_refused", request_id=request.state.request_id, code=reply.code, reason=str(error))
    if request.url.path.startswith("/v1/"):
        return JSONResponse(openai_body(reply), reply.status, headers)
    body = problem_body(reply, request.state.request_id)
    return JSONResponse(body, reply.status, headers, media_type="application/problem+json")
