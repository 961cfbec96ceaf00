"""Activated LoRA (aLoRA, arXiv 2504.12397): the adapter acts only from its invocation tokens on."""

from collections.abc import Sequence

from serving.errors import InvalidRequest


def active_from(invocation: Sequence[int], prompt_ids: Sequence[int], model: str) -> int:
    """The index in `prompt_ids` where the last occurrence of `invocation` starts; 0 if the adapter has no invocation.

    As in PEFT 0.21 (`calculate_alora_offsets`), the adapter acts on the invocation itself and on all tokens after it,
    and only the prompt is searched, so generated tokens never move the start. Without an occurrence PEFT answers as the
    base does; here that raises InvalidRequest.   model: the adapter's name for the error.
    """
    length = len(invocation)
    if not length:
        return 0
    wanted = tuple(invocation)
    for start in range(len(prompt_ids) - length, -1, -1):
        if prompt_ids[start] == wanted[0] and tuple(prompt_ids[start : start + length]) == wanted:
            return start
    shown = ", ".join(map(str, wanted[:16])) + (", …" if length > 16 else "")
    raise InvalidRequest(
        "prompt",
        f"{model!r} acts only from its alora_invocation_tokens on, [{shown}], but the prompt does not contain them, so "
        "the base alone would answer. Add them as the adapter's author documents.",
    )
