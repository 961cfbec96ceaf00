"""Fields of OpenAI's and vLLM's requests that this node does not implement, and the values of them that change nothing.

Clients send such values by default. To accept them is correct, since the answer is the same without the field; every
other value is refused by name.
"""

import re
from collections.abc import Callable

Value = object
Neutral = Callable[[Value], bool]


def _one_of(*values: Value) -> Neutral:
    """Values equal to one of `values`. A number may be written as 0 or 0.0, but true is not 1."""

    def neutral(value: Value) -> bool:
        return any(type(value) in (type(one), float) and value == one for one in values)

    return neutral


def _label(most: int) -> Neutral:
    """Any text of up to `most` characters: it names somebody or something to the server, and changes no output."""
    return lambda value: isinstance(value, str) and len(value) <= most


def _flag(value: Value) -> bool:
    return isinstance(value, bool)


def _never(value: Value) -> bool:
    return False


_NEUTRAL: dict[str, Neutral] = {
    "user": _label(512),
    "safety_identifier": _label(512),
    "prompt_cache_key": _label(512),
    "metadata": _one_of({}),
    "tools": _one_of([]),
    "tool_choice": _one_of("none"),
    "parallel_tool_calls": _flag,  # without tools no call is made, in parallel or not
    "functions": _one_of([]),
    "function_call": _one_of("none"),
    "reasoning_effort": _one_of("none"),
    "modalities": _one_of(["text"]),
    "verbosity": _one_of("medium"),
    "store": _one_of(False),
    "service_tier": _one_of("auto", "default"),
    "prompt_cache_retention": _one_of("in_memory", "in-memory"),
    "best_of": _one_of(1),
    "echo": _one_of(False),
    "top_logprobs": _one_of(0),
    "priority": _one_of(0),
    "chat_template_kwargs": _one_of({}),
    "use_beam_search": _one_of(False),
    "length_penalty": _one_of(1),
    "skip_special_tokens": _one_of(True),
    "spaces_between_special_tokens": _one_of(True),
    "include_stop_str_in_output": _one_of(False),
    "add_generation_prompt": _one_of(True),
    "continue_final_message": _one_of(False),
    "return_token_ids": _one_of(False),
    "return_tokens_as_token_ids": _one_of(False),
    "bad_words": _one_of([]),
    **dict.fromkeys(
        ("suffix", "audio", "prediction", "web_search_options", "prompt_logprobs", "chat_template"), _never
    ),
    **dict.fromkeys(("truncate_prompt_tokens", "reasoning", "structured_outputs", "documents"), _never),
    **dict.fromkeys(("guided_json", "guided_regex", "guided_choice", "guided_grammar", "mm_processor_kwargs"), _never),
}
"""Which values of each field change nothing; null never does."""
_SUPPORTED = {
    "metadata": "{}",
    "tools": "[]",
    "tool_choice": '"none"',
    "functions": "[]",
    "function_call": '"none"',
    "reasoning_effort": '"none"',
    "modalities": '["text"]',
    "verbosity": '"medium"',
    "store": "false",
    "service_tier": '"auto"',
    "best_of": "1",
    "echo": "false",
    "priority": "0",
    "parallel_tool_calls": "true or false",
    "user": "a text of at most 512 characters",
    "safety_identifier": "a text of at most 512 characters",
    "prompt_cache_key": "a text of at most 512 characters",
}
"""What a refusal names as the value that is accepted."""
_IN_MESSAGE: dict[str, Neutral] = {
    "name": lambda value: isinstance(value, str) and re.fullmatch(r"[^\s<|\\/>]{1,64}", value) is not None,
    **dict.fromkeys(("refusal", "audio", "annotations", "tool_calls", "function_call"), _one_of([])),
    **dict.fromkeys(("reasoning", "reasoning_content"), _one_of("")),
}
_IN_STREAM_OPTIONS: dict[str, Neutral] = {"include_obfuscation": _one_of(False)}


def is_neutral(field: str, value: Value) -> bool:
    """Whether the request means the same without `field`."""
    return field in _NEUTRAL and (value is None or _NEUTRAL[field](value))


def supported(field: str) -> str | None:
    """The value of `field` that is accepted, for an error message; None if there is none but null."""
    return _SUPPORTED.get(field)


def plain_message(message: Value) -> Value:
    """A message without the members that change nothing."""
    return _without(message, _IN_MESSAGE)


def plain_stream_options(options: Value) -> Value:
    """The stream options without the members that change nothing."""
    return _without(options, _IN_STREAM_OPTIONS)


def _without(members: Value, neutral: dict[str, Neutral]) -> Value:
    if not isinstance(members, dict):
        return members
    return {
        key: value for key, value in members.items() if key not in neutral or not (value is None or neutral[key](value))
    }
