"""JSON-RPC 2.0 over HTTP POST: single calls, batches, notifications, CORS for browser wallets."""

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_chain.rpc.errors import INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR, InvalidParams, Json, RpcError
from local_chain.rpc.methods import Methods

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_BATCH = 1000

_log = structlog.get_logger(__name__)


def create_app(methods: Methods, worker: Executor) -> Starlette:
    """The HTTP application. Every method runs on the one thread of `worker`, which owns the chain."""

    async def endpoint(request: Request) -> Response:
        try:
            document = json.loads(await _body(request))
        except (ValueError, RecursionError):
            return JSONResponse(_failure(None, RpcError(PARSE_ERROR, "parse error: the body is not JSON")))
        except RpcError as error:
            return JSONResponse(_failure(None, error))
        answer = await asyncio.get_running_loop().run_in_executor(worker, answer_document, methods, document)
        return Response(status_code=204) if answer is None else JSONResponse(answer)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield

    cors = Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], max_age=600)
    return Starlette(routes=[Route("/", endpoint, methods=["POST"])], middleware=[cors], lifespan=lifespan)


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise RpcError(INVALID_REQUEST, f"the request is larger than {MAX_BODY_BYTES} bytes")
    except ClientDisconnect as error:
        raise RpcError(INVALID_REQUEST, "the client went away") from error
    return bytes(body)


def answer_document(methods: Methods, document: Json) -> Json:
    """The response to a request or a batch; None if it held only notifications."""
    if not isinstance(document, list):
        return _answer(methods, document)
    if not document or len(document) > MAX_BATCH:
        return _failure(
            None, RpcError(INVALID_REQUEST, f"a batch holds 1 to {MAX_BATCH} requests, got {len(document)}")
        )
    answers = [_answer(methods, item) for item in document]
    return [item for item in answers if item is not None] or None


def _answer(methods: Methods, request: Json) -> Json:
    request_id: Json = None
    try:
        if not isinstance(request, dict):
            raise RpcError(INVALID_REQUEST, "invalid request: expected an object")
        request_id = request.get("id")
        if isinstance(request_id, dict | list | bool):
            request_id = None
            raise RpcError(INVALID_REQUEST, "invalid request: id must be a string, a number or null")
        method, arguments = request.get("method"), request.get("params")
        if request.get("jsonrpc") != "2.0" or not isinstance(method, str):
            raise RpcError(INVALID_REQUEST, 'invalid request: "jsonrpc" must be "2.0" and "method" a string')
        if not isinstance(arguments, list | None):
            raise InvalidParams("params must be a list")
        result = methods.call(method, arguments or [])
    except RpcError as error:
        return _failure(request_id, error)
    except Exception as error:  # a bug of this server must not leave the client without an answer
        _log.exception("rpc_failed", method=request.get("method") if isinstance(request, dict) else None)
        return _failure(request_id, RpcError(INTERNAL_ERROR, f"internal error: {type(error).__name__}: {error}"))
    return {"jsonrpc": "2.0", "id": request_id, "result": result} if "id" in request else None


def _failure(request_id: Json, error: RpcError) -> dict[str, Json]:
    return {"jsonrpc": "2.0", "id": request_id, "error": error.to_json()}
