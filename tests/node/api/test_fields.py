"""Fields that take more than one form."""

import json

import pytest
from pydantic_core import PydanticCustomError

from node.api import fields
from serving.types import TextPrompt, TokenPrompt


def test_stop_strings_are_a_list_without_empty_ones() -> None:
    assert fields.stops("a") == ("a",)
    assert fields.stops(["a", "", "b"]) == ("a", "b")
    assert fields.stops("") == ()


def test_biases_are_pairs_of_token_id_and_number() -> None:
    assert fields.logit_bias({"5": 1, "0": -2.5}) == ((5, 1.0), (0, -2.5))


@pytest.mark.parametrize("value", [{"-1": 1}, {"05": 1}, {"5": True}, {"5": 100.5}, [5], {"٥": 1}])
def test_biases_of_anything_else_are_refused(value: object) -> None:
    with pytest.raises(PydanticCustomError):
        fields.logit_bias(value)


def test_prompts_are_texts_or_token_ids() -> None:
    assert fields.prompt("a") == fields.prompt(["a"]) == TextPrompt("a")
    assert fields.prompt([1, 2]) == fields.prompt([[1, 2]]) == TokenPrompt((1, 2))


@pytest.mark.parametrize("value", [[], [[]], [True], [-1], [1.5], 5, None, ["a", "b"], [[1], [2]]])
def test_other_prompts_are_refused(value: object) -> None:
    with pytest.raises(PydanticCustomError):
        fields.prompt(value)


def test_response_formats_become_the_schema_to_follow() -> None:
    schema = {"type": "array", "items": {"enum": ["{x}"]}}
    named = {"type": "json_schema", "json_schema": {"name": "list", "schema": schema, "strict": True}}

    assert fields.response_format({"type": "text"}) is None
    assert json.loads(fields.response_format({"type": "json_object"}) or "") == {"type": "object"}
    assert json.loads(fields.response_format(named) or "") == schema


def test_a_message_s_parts_are_joined() -> None:
    assert fields.content("a") == "a"
    assert fields.content([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]) == "ab"
