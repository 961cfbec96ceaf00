"""POST /v1/chat/completions and /v1/completions."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from contracts.encoding import request_hash
from node.api.bodies import ChatBody, CompletionBody, parse
from node.api.completion_shape import Kind, Shape, collect, lines
from node.api.discovery import is_probe, probe_terms
from node.api.envelope import CLIENT_CLOSED_REQUEST
from node.api.inference import ClientGone, Inference, admit, authenticate, unless_gone
from node.api.logprobs_shape import writer
from node.api.reading import read_body
from node.api.replays import Answer, Claim, Replays
from node.metering.checkout import Caller
from node.world import TheWorld, World

router = APIRouter(tags=["OpenAI"])
_EVENTS = "text/event-stream"


class InferenceStream(StreamingResponse):
    """Server-sent events of one inference. The generation ends when the sending does, for whatever reason."""

    def __init__(
        self, inference: Inference, events: AsyncIterator[bytes], payment: Mapping[str, str], claimed: "Claimed"
    ) -> None:
        headers = {**payment, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        kept = claimed.replays.recorded(claimed.claim, events, headers, _EVENTS)
        super().__init__(kept, media_type=_EVENTS, headers=headers)
        self._inference, self._claimed = inference, claimed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the stream, then stops the generation if it still runs."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._inference.leave()
            self._claimed.replays.forget(self._claimed.claim)


def _schema(model: type[ChatBody] | type[CompletionBody]) -> dict[str, object]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post("/v1/chat/completions", openapi_extra=_schema(ChatBody))
async def chat(request: Request, world: TheWorld) -> Response:
    """Answer a conversation. Streams if `stream` is true; the last chunk carries the signed receipt."""
    raw = await read_body(request, world.settings.max_body_bytes)
    if is_probe(raw, world):
        raise probe_terms(world)
    return await _run(world, request, "chat", parse(ChatBody, raw), raw)


@router.post("/v1/completions", openapi_extra=_schema(CompletionBody))
async def completion(request: Request, world: TheWorld) -> Response:
    """Continue a text or a list of token ids."""
    raw = await read_body(request, world.settings.max_body_bytes)
    if is_probe(raw, world):
        raise probe_terms(world)
    return await _run(world, request, "text", parse(CompletionBody, raw), raw)


async def _run(world: World, request: Request, kind: Kind, body: ChatBody | CompletionBody, raw: bytes) -> Response:
    """Answers a request, or repeats the answer to the same request."""
    with world.runs.admitting():
        caller = await authenticate(world, request, body, raw)
    replays: Replays = request.app.state.replays
    call = caller.call
    claimed = await replays.claim(caller, request_hash(call.method, call.path_with_query, call.body))
    if isinstance(claimed, Answer):
        return Response(claimed.body, headers=dict(claimed.headers), media_type=claimed.media_type)
    try:
        return await _answer(world, request, kind, body, Claimed(caller, replays, claimed))
    except BaseException:
        replays.forget(claimed)
        raise


@dataclass(frozen=True, slots=True)
class Claimed:
    """A call that is answered for the first time."""

    caller: Caller
    replays: Replays
    claim: Claim


async def _answer(
    world: World, request: Request, kind: Kind, body: ChatBody | CompletionBody, claimed: Claimed
) -> Response:
    inference = await admit(world, request, claimed.caller, body)
    asked = body.wanted_logprobs is not None
    writers = [writer(kind, world.service.token_text) for _ in range(body.n)] if asked else None
    shape = Shape(kind, inference, body.include_usage, body.continuous_usage, writers)
    try:
        if body.stream:
            first = await unless_gone(request, inference, inference.next())
            payment = await inference.stream_headers(first)
            return InferenceStream(inference, lines(shape, first, world.settings.redactor), payment, claimed)
        # the sender of a named request comes back for the answer, so it is completed even if the connection breaks
        collecting = collect(inference)
        events, settled = await (collecting if claimed.claim.named else unless_gone(request, inference, collecting))
        headers = dict(settled.receipt.headers)
        response = JSONResponse(shape.whole(events, settled), headers=headers)
        claimed.replays.keep(claimed.claim, Answer(headers, "application/json", bytes(response.body)))
        return response
    except ClientGone:
        claimed.replays.forget(claimed.claim)
        return Response(status_code=CLIENT_CLOSED_REQUEST)
