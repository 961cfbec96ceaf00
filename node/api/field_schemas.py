"""JSON Schemas of the request fields that take more than one form, as the OpenAPI document shows them."""

from serving.frontend.limits import MAX_BIASES

Schema = dict[str, object]
_TEXT: Schema = {"type": "string"}
_TOKEN: Schema = {"type": "integer", "minimum": 0}
STOPS: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "maxItems": 4}]}
LOGIT_BIAS: Schema = {
    "type": "object",
    "propertyNames": {"pattern": "^(0|[1-9][0-9]{0,9})$"},
    "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100},
    "maxProperties": MAX_BIASES,
}
_PART: Schema = {
    "type": "object",
    "properties": {"type": {"type": "string", "enum": ["text"]}, "text": _TEXT},
    "required": ["type", "text"],
    "additionalProperties": False,
}
CONTENT: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _PART}]}
PROMPT: Schema = {
    "anyOf": [
        _TEXT,
        {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 1},
        {"type": "array", "items": _TOKEN, "minItems": 1},
        {"type": "array", "items": {"type": "array", "items": _TOKEN, "minItems": 1}, "minItems": 1, "maxItems": 1},
    ]
}
_NAMED_SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        "schema": {"type": "object"},
        "strict": {"type": ["boolean", "null"]},
        "description": {"type": ["string", "null"]},
    },
    "required": ["name", "schema"],
    "additionalProperties": False,
}


def _format(*kinds: str, **more: Schema) -> Schema:
    properties: Schema = {"type": {"type": "string", "enum": list(kinds)}, **more}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


RESPONSE_FORMAT: Schema = {"anyOf": [_format("text", "json_object"), _format("json_schema", json_schema=_NAMED_SCHEMA)]}
