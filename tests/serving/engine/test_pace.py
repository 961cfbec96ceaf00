"""The prefill budget follows what steps take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.engine.pace import PREFILL_TOKENS, STEP_S, Pace


def paced(decode_s: float, token_s: float, steps: int = 200) -> Pace:
    """A pace that has seen a machine on which a step takes decode_s + n * token_s."""
    pace = Pace()
    for _ in range(steps):
        pace.record(8, 0, decode_s)
        tokens = pace.prefill_tokens(anybody_decodes=True)
        pace.record(8, tokens, decode_s + tokens * token_s)
    return pace


def test_nothing_measured_or_nobody_waiting_means_the_whole_budget() -> None:
    assert Pace().prefill_tokens(anybody_decodes=True) == PREFILL_TOKENS
    assert paced(0.5, 0.1).prefill_tokens(anybody_decodes=False) == PREFILL_TOKENS


@given(st.floats(0.001, 1.0), st.floats(1e-6, 0.05))
def test_a_step_with_prompts_takes_no_longer_than_the_rule_says(decode_s: float, token_s: float) -> None:
    tokens = paced(decode_s, token_s).prefill_tokens(anybody_decodes=True)

    assert 64 <= tokens <= PREFILL_TOKENS
    limit_s = max(STEP_S, 2 * decode_s)
    if tokens > 64:
        assert decode_s + tokens * token_s <= 1.01 * limit_s
    if tokens < PREFILL_TOKENS:
        assert decode_s + (tokens + 1) * token_s >= 0.99 * limit_s


@pytest.mark.parametrize(
    ("decode_s", "token_s", "expected"), [(0.03, 0.0001, 512), (0.03, 0.0005, 140), (0.3, 0.002, 150)]
)
def test_for_example(decode_s: float, token_s: float, expected: int) -> None:
    assert paced(decode_s, token_s).prefill_tokens(anybody_decodes=True) == pytest.approx(expected, abs=1)


def test_one_step_that_the_system_held_up_changes_little() -> None:
    pace = paced(0.05, 0.001)
    before = pace.prefill_tokens(anybody_decodes=True)

    pace.record(8, before, 1.0)

    assert pace.prefill_tokens(anybody_decodes=True) > before / 2
