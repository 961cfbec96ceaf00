"""POST /v1/chat/completions and /v1/completions."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from node.api.bodies import ChatBody, CompletionBody, parse
from node.api.completion_shape import Kind, Shape, collect, lines
from node.api.discovery import is_probe, probe_terms
from node.api.envelope import CLIENT_CLOSED_REQUEST
from node.api.inference import ClientGone, admit, unless_gone
from node.api.logprobs_shape import writer
from node.api.reading import read_body
from node.redaction import Redactor
from node.world import TheWorld, World
from serving.types import TokenEvent

router = APIRouter(tags=["OpenAI"])


class InferenceStream(StreamingResponse):
    """Server-sent events of one inference. The generation ends when the sending does, for whatever reason."""

    def __init__(self, shape: Shape, first: TokenEvent, redact: Redactor) -> None:
        headers = {**shape.inference.ticket.headers, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(lines(shape, first, redact), media_type="text/event-stream", headers=headers)
        self._inference = shape.inference

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the stream, then stops the generation if it still runs."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._inference.leave()


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
    inference = await admit(world, request, body, raw)
    asked = body.wanted_logprobs is not None
    writers = [writer(kind, world.service.token_text) for _ in range(body.n)] if asked else None
    shape = Shape(kind, inference, body.include_usage, body.continuous_usage, writers)
    try:
        if body.stream:
            first = await unless_gone(request, inference, inference.next())
            return InferenceStream(shape, first, world.settings.redactor)
        events, settled = await unless_gone(request, inference, collect(inference))
        return JSONResponse(shape.whole(events, settled), headers=dict(settled.receipt.headers))
    except ClientGone:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
