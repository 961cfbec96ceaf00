"""Validators of the request fields that take more than one form; each returns one form."""

import json
import re

from pydantic_core import PydanticCustomError

from serving.frontend.limits import MAX_BIASES
from serving.types import TextPrompt, TokenPrompt

_TOKEN_ID = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
_FORMAT_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_ANY_OBJECT = json.dumps({"type": "object"})


def stops(value: object) -> tuple[str, ...]:
    """One stop string, or a list of up to four. Empty strings are dropped."""
    strings = [value] if isinstance(value, str) else value
    if not isinstance(strings, list) or not all(isinstance(stop, str) for stop in strings):
        raise PydanticCustomError("stop", "give a string or a list of strings")
    if len(strings) > 4:
        raise PydanticCustomError("stop", "at most 4 stop strings")
    return tuple(stop for stop in strings if stop)


def logit_bias(value: object) -> tuple[tuple[int, float], ...]:
    """An object of token ids in decimal and the amount added to the logit of each, as pairs."""
    if not isinstance(value, dict) or len(value) > MAX_BIASES:
        raise PydanticCustomError("logit_bias", "give an object of at most {most} token ids", {"most": MAX_BIASES})
    biases = []
    for key, bias in value.items():
        if not _TOKEN_ID.fullmatch(key):
            raise PydanticCustomError("logit_bias", "its keys are token ids in decimal, such as 50256")
        if type(bias) not in (int, float) or not -100 <= bias <= 100:
            raise PydanticCustomError("logit_bias", "its values are numbers between -100 and 100")
        biases.append((int(key), float(bias)))
    return tuple(biases)


def content(value: object) -> str:
    """The text of a message: a string, or the joined texts of a list of text parts."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        raise PydanticCustomError("content", "give a string or a list of text parts")
    for part in value:
        if part.get("type") != "text" or set(part) != {"type", "text"} or not isinstance(part["text"], str):
            raise PydanticCustomError("unsupported", 'only parts {"type": "text", "text": …} are supported')
    return "".join(part["text"] for part in value)


def prompt(value: object) -> TextPrompt | TokenPrompt:
    """One prompt: a text, token ids, or a list that holds one of these."""
    match value:
        case str(text) | [str(text)]:
            return TextPrompt(text)
        case [[*ids]] | [*ids] if ids and all(type(token) is int and token >= 0 for token in ids):
            return TokenPrompt(tuple(token for token in ids if isinstance(token, int)))
        case [_, _, *_]:
            raise PydanticCustomError("unsupported", "one prompt per request is supported")
    raise PydanticCustomError("prompt", "give a text or a list of token ids")


def response_format(value: object) -> str | None:
    """The JSON Schema, as JSON, that the output must satisfy; None for free text."""
    match value:
        case {"type": "text", **rest} if not rest:
            return None
        case {"type": "json_object", **rest} if not rest:
            return _ANY_OBJECT
        case {"type": "json_schema", "json_schema": dict(named), **rest} if not rest:
            return _schema(named)
        case {"type": "text" | "json_object" | "json_schema"}:
            problem = (
                'give {"type": "json_object"}, or the type json_schema and a json_schema object with name and schema'
            )
            raise PydanticCustomError("response_format", problem)
        case {"type": str()}:
            raise PydanticCustomError("unsupported", "text, json_object and json_schema are supported")
    raise PydanticCustomError("response_format", "give an object with a type")


def _schema(named: dict[str, object]) -> str:
    """The schema of a `json_schema` object. `strict` changes nothing: a schema is enforced exactly or refused."""
    name, schema = named.get("name"), named.get("schema")
    if not isinstance(name, str) or not _FORMAT_NAME.fullmatch(name):
        raise PydanticCustomError("response_format", "its json_schema needs a name of letters, digits, '_' and '-'")
    if not isinstance(schema, dict):
        raise PydanticCustomError("response_format", "its json_schema needs a schema, which is an object")
    if not isinstance(named.get("strict"), bool | None) or not isinstance(named.get("description"), str | None):
        raise PydanticCustomError("response_format", "strict must be true or false, and description a string")
    if unknown := sorted(set(named) - {"name", "schema", "strict", "description"}):
        raise PydanticCustomError("response_format", "json_schema has no {field}", {"field": unknown[0]})
    return json.dumps(schema)
