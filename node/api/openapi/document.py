"""Builds the OpenAPI 3.1 document of an application: FastAPI's paths and parameters, with true answers and errors."""

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from node.api.errors import INTERNAL, TABLE
from node.api.openapi.operations import JSON, OPERATIONS, STREAM, Operation

Json = dict[str, Any]
_REF = "#/components/schemas/"
_PROBLEM = "application/problem+json"
_STATUS = {fault.code: fault.status for fault in (*TABLE, INTERNAL)}
_ALWAYS = ("invalid_request", "internal_error", "storage_unavailable")
_REQUEST_ID: Json = {"description": "the id of this request, for the operator's log", "schema": {"type": "string"}}
_RESPONSE_HEADERS: Mapping[int, Mapping[str, str]] = {
    402: {"PAYMENT-REQUIRED": "base64 JSON of the x402 v2 PaymentRequired document"},
    405: {"Allow": "the methods of this path"},
    409: {"X-Should-Retry": "`false` if the same request would meet this error again"},
    429: {"Retry-After": "seconds until another try makes sense"},
    503: {"Retry-After": "seconds until another try makes sense"},
}
_REQUEST_HEADERS = {
    "PAYMENT-SIGNATURE": "base64 JSON of an x402 v2 PaymentPayload that carries a voucher",
    "OpenLoRA-Request": "base64 JSON of a signed InferenceRequest",
}
_INTERNAL_DEFAULTS = {"stop", "logit_bias", "response_format"}
"""Fields whose default is a parsed value and no JSON that a client could send."""
_BYTES32: Json = {"type": "string", "pattern": "^0x[0-9a-f]{64}$"}
_ADDRESS: Json = {"type": "string", "pattern": "^0x[0-9a-f]{40}$"}
_CURSORS: Mapping[str, Json] = {
    "/receipts": {"type": "string", "pattern": "^[0-9]{1,12}-0x[0-9a-f]{64}$"},
    "/payments/channels": _BYTES32,
}
"""The cursors that are not free text, by path."""
_PARAMETERS: Mapping[str, Json] = {
    "channel_id": _BYTES32,
    "receipt_id": _BYTES32,
    "datanet_id": _BYTES32,
    "address": _ADDRESS,
    "payer": _ADDRESS,
}


def openapi_document(generated: Json, *, paid: bool) -> Json:
    """The document of an application. generated: FastAPI's own.   paid: whether this node charges for inference."""
    document = copy.deepcopy(generated)
    schemas: Json = _answer_schemas() | _error_schemas()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            known = OPERATIONS[f"{method.upper()} {path}"]
            operation["operationId"] = _operation_id(method, path)
            operation["responses"] = _responses(path, known)
            _name_parameters(operation, known, path)
            _hoist_body(operation, schemas)
            if known.paid and paid:
                operation["x-payment-info"] = _PAYMENT_INFO
            if "unauthorized" in known.codes:
                operation["security"] = [{"adminToken": []}]
    document["components"] = {
        "schemas": dict(sorted(schemas.items())),
        "securitySchemes": {"adminToken": {"type": "http", "scheme": "bearer", "description": "the operator's token"}},
    }
    document["x-discovery"] = {"llmsTxtUrl": "/llms.txt"}
    return document


_PAYMENT_INFO: Json = {
    "pricingMode": "quote",
    "price": {"mode": "dynamic", "quote": "/nodes/me/quote"},
    "protocols": ["x402"],
}


def _operation_id(method: str, path: str) -> str:
    words = [part.strip("{}").replace(".", "_").replace("-", "_") for part in path.split("/") if part]
    return "_".join([method, *words])


def _responses(path: str, known: Operation) -> Json:
    success: Json = {"description": "The answer", "headers": {"X-Request-Id": _REQUEST_ID}}
    success["content"] = {known.media: {"schema": _success_schema(known)}}
    if known.paid:
        success["content"][STREAM] = {"schema": {"type": "string"}}
        header = "base64 JSON of the x402 v2 SettleResponse; on a paid node"
        success["headers"]["PAYMENT-RESPONSE"] = {"description": header, "schema": {"type": "string"}}
    responses: Json = {str(known.status): success}
    if path == "/readyz":
        responses["503"] = {**success, "description": "A check fails"}
    codes = {*_ALWAYS, *known.codes, *(("body_too_large", "overloaded") if known.bounded else ())}
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes):
        by_status.setdefault(_STATUS[code], []).append(code)
    for status, ours in sorted(by_status.items()):
        responses.setdefault(str(status), _error_response(path, status, ours))
    responses["default"] = _error_response(path, None, ["request_timeout", "too_many_connections"])
    return responses


def _success_schema(known: Operation) -> Json:
    if known.model is not None:
        return {"$ref": _REF + known.model.__name__}
    return {"type": "object"} if known.media == JSON else {"type": "string"}


def _error_response(path: str, status: int | None, codes: list[str]) -> Json:
    under_v1 = path.startswith("/v1/") and status is not None
    media, schema = (JSON, "OpenAIError") if under_v1 else (_PROBLEM, "Problem")
    headers: Json = {"X-Request-Id": _REQUEST_ID} if status is not None else {}
    for name, text in _RESPONSE_HEADERS.get(status or 0, {}).items():
        headers[name] = {"description": text, "schema": {"type": "string"}}
    content = {media: {"schema": {"$ref": _REF + schema}}}
    return {"description": "Code " + ", ".join(f"`{code}`" for code in codes), "headers": headers, "content": content}


def _name_parameters(operation: Json, known: Operation, path: str) -> None:
    for parameter in operation.get("parameters", []):
        name = parameter["name"]
        exact = _CURSORS.get(path) if name == "cursor" else _PARAMETERS.get(name)
        if exact is not None:
            parameter["schema"] = exact
    if known.paid:
        operation.setdefault("parameters", []).extend(
            {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
            for name, text in _REQUEST_HEADERS.items()
        )


def _hoist_body(operation: Json, schemas: Json) -> None:
    """Moves the definitions inside a body's schema to the components, where its references point."""
    for media in operation.get("requestBody", {}).get("content", {}).values():
        schema = media["schema"]
        schemas.update(schema.pop("$defs", {}))
        for name in _INTERNAL_DEFAULTS & schema.get("properties", {}).keys():
            schema["properties"][name].pop("default", None)
        if "title" in schema:
            schemas[schema["title"]] = schema
            media["schema"] = {"$ref": _REF + schema["title"]}


def _answer_schemas() -> Json:
    models = {known.model for known in OPERATIONS.values() if known.model is not None}
    ordered = sorted(models, key=lambda model: model.__name__)
    wanted: list[tuple[type[BaseModel], Any]] = [(model, "serialization") for model in ordered]
    _, found = models_json_schema(wanted, ref_template=_REF + "{model}")
    definitions: Json = found["$defs"]
    return definitions


def _error_schemas() -> Json:
    text, nullable = {"type": "string"}, {"type": ["string", "null"]}
    error = {
        "type": "object",
        "properties": {"message": text, "type": text, "code": text, "param": nullable},
        "required": ["message", "type", "code", "param"],
    }
    problem = {
        "type": "object",
        "properties": {
            **{"type": text, "title": text, "detail": text, "code": text, "request_id": text, "param": text},
            "status": {"type": "integer"},
        },
        "required": ["type", "title", "status", "detail", "code"],
    }
    wrapped = {"type": "object", "properties": {"error": error}, "required": ["error"]}
    return {
        "OpenAIError": {**wrapped, "title": "OpenAIError", "description": "OpenAI's error body, under /v1."},
        "Problem": {**problem, "title": "Problem", "description": "RFC 9457 problem details."},
    }
