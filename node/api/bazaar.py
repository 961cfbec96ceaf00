"""What x402 catalogues learn about a paid resource: how to call it, and what it answers (x402 extension `bazaar`)."""

CHAT, PLAIN = "/v1/chat/completions", "/v1/completions"
PAID_PATHS = (CHAT, PLAIN)
Json = dict[str, object]
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Json = {"type": "string"}


def bazaar(path: str, model: str) -> dict[str, Json]:
    """The x402 extensions of the 402 of a paid path: an example call of `model`, and the schema of such calls.

    Empty for a path that is not sold. The schema names the fields that matter to a catalogue and allows the others: the
    402 carries it in a header, which must stay small. /openapi.json has the whole schema.
    """
    if path not in PAID_PATHS:
        return {}
    chat = path == CHAT
    prompt: Json = {"messages": [{"role": "user", "content": "Hello"}]} if chat else {"prompt": "Hello"}
    call = {"type": "http", "method": "POST", "bodyType": "json", "body": {"model": model, **prompt, "max_tokens": 64}}
    answer = {"choices": [], "usage": {"total_tokens": 0}, "receipt": {}}
    schema = {
        "$schema": _DRAFT,
        "type": "object",
        "properties": {"input": _input_schema(_body_schema(chat=chat)), "output": _output_schema()},
        "required": ["input"],
    }
    return {"bazaar": {"info": {"input": call, "output": {"type": "json", "example": answer}}, "schema": schema}}


def with_bazaar(payment_required: Json, path: str, model: str) -> Json:
    """An x402 PaymentRequired document with the extension for `path` beside its own extensions."""
    extensions = payment_required.get("extensions")
    own = extensions if isinstance(extensions, dict) else {}
    return {**payment_required, "extensions": {**own, **bazaar(path, model)}}


def _body_schema(*, chat: bool) -> Json:
    message: Json = {"type": "object", "properties": {"role": _TEXT, "content": _TEXT}, "required": ["role", "content"]}
    prompt: Json = {"messages": {"type": "array", "items": message}} if chat else {"prompt": _TEXT}
    properties: Json = {"model": _TEXT, **prompt, "max_tokens": {"type": "integer"}, "stream": {"type": "boolean"}}
    return {"type": "object", "properties": properties, "required": ["model", *prompt]}


def _input_schema(body: Json) -> Json:
    return {
        "type": "object",
        "properties": {
            "type": {"type": "string", "const": "http"},
            "method": {"type": "string", "enum": ["POST"]},
            "bodyType": {"type": "string", "enum": ["json"]},
            "body": body,
        },
        "required": ["type", "method", "bodyType", "body"],
        "additionalProperties": False,
    }


def _output_schema() -> Json:
    return {
        "type": "object",
        "properties": {"type": _TEXT, "example": {"type": "object"}},
        "required": ["type"],
    }
