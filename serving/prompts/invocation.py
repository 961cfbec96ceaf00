"""Activated LoRA (aLoRA, arXiv 2504.12397): an adapter that acts only from its invocation tokens on."""

from collections.abc import Sequence

from serving.errors import InvalidRequest


def active_from(invocation: Sequence[int], prompt_ids: Sequence[int], model: str) -> int:
    """Where the last occurrence of `invocation` in the prompt starts; 0 for an adapter that has none.

    As in PEFT 0.21 (`calculate_alora_offsets`) the invocation itself is read with the adapter, all before it without,
    and only the prompt is searched, so what is generated never moves it. PEFT answers as the base does if there is no
    occurrence; here that raises InvalidRequest.   model: what the error calls the adapter.
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
        f"{model!r} acts only from its alora_invocation_tokens on, [{shown}], and the prompt does not contain them, so "
        "the base alone would answer. Add them, as the adapter's author wrote them.",
    )
