"""Activated LoRA (aLoRA, arXiv 2504.12397): the adapter acts only from its invocation tokens on."""

from collections.abc import Sequence

from serving.errors import InvalidRequest


def active_from(invocation: Sequence[int], prompt_ids: Sequence[int], model: str) -> int:
    """The index in `prompt_ids` where the last occurrence of `invocation` starts; 0 if the adapter has no invocation.

    As in PEFT 0.21 (`calculate_alora_offsets`), the adapter acts on the invocation itself and on all tokens after it,
    and only the prompt is searched, so generated tokens never move the start. Without an occurrence PEFT answers as the
    base does; here that raises InvalidRequest.   model: the adapter's name for the error.
    """
    if not invocation:
        return 0
    start = _last_occurrence(invocation, prompt_ids)
    if start is not None:
        return start
    shown = ", ".join(map(str, invocation[:16])) + (", …" if len(invocation) > 16 else "")
    raise InvalidRequest(
        "prompt",
        f"{model!r} acts only from its alora_invocation_tokens on, [{shown}], but the prompt does not contain them, so "
        "the base alone would answer. Add them as the adapter's author documents.",
    )


def _last_occurrence(wanted: Sequence[int], ids: Sequence[int]) -> int | None:
    """Where the last occurrence of `wanted` in `ids` starts, by Knuth, Morris and Pratt from the end.

    Linear for any tokens: strangers choose both sequences, and the event loop waits.
    """
    pattern = wanted[::-1]
    borders = [0] * len(pattern)  # length of the longest proper prefix of pattern[: i + 1] that is also its suffix
    matched = 0
    for i in range(1, len(pattern)):
        while matched and pattern[i] != pattern[matched]:
            matched = borders[matched - 1]
        matched += pattern[i] == pattern[matched]
        borders[i] = matched
    matched = 0
    for start in range(len(ids) - 1, -1, -1):
        while matched and ids[start] != pattern[matched]:
            matched = borders[matched - 1]
        matched += ids[start] == pattern[matched]
        if matched == len(pattern):
            return start
    return None
