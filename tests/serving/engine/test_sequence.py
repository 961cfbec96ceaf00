"""The state of one choice of a request: its lengths keep their order, and usage counts every prompt token once."""

import random

from hypothesis import given
from hypothesis import strategies as st

from serving.engine.sequence import Sequence
from serving.kv.pages import PAGE_TOKENS
from serving.types import Usage
from tests.serving.engine.test_scheduler import World


def sequence(prompt: int = 4, output: int = 4) -> Sequence:
    return World(pages=200).submit(prompt=prompt, output=output)


@given(st.integers(0, 10**6))
def test_the_lengths_keep_their_order_whatever_is_computed_and_lost(seed: int) -> None:
    rng = random.Random(seed)
    made = sequence(rng.randint(1, 40), 12)
    first = again = 0
    for _ in range(60):
        if rng.random() < 0.2 and made.page_table:
            made.page_table.clear()
            made.lose_pages()
        made.page_table = made.page_table or [0]
        new, repeated = made.advance(rng.randint(made.computed_len, made.total_len))
        first, again = first + new, again + repeated
        if made.computed_len == made.total_len and made.output_len < made.granted_tokens:
            made.append(5)
        made.check_integrity()

    assert first == min(made.reached_len, made.prompt_len)
    assert made.usage == Usage(first, 0, made.output_len)


def test_cached_tokens_are_not_prompt_tokens() -> None:
    made = sequence(prompt=2 * PAGE_TOKENS)
    made.page_table, made.cached_len = [0, 1], PAGE_TOKENS

    made.begin_with(1)
    made.advance(made.total_len)

    assert made.usage == Usage(PAGE_TOKENS, PAGE_TOKENS, 0)


def test_a_token_proves_that_everything_before_it_is_finite() -> None:
    made = sequence(prompt=5)
    made.advance(5)
    assert made.finite_len == 0

    made.append(7)

    assert (made.finite_len, made.token_ids[-1], made.left_len) == (5, 7, 1)


def test_the_last_token_of_a_prompt_is_never_taken_from_the_cache() -> None:
    assert len(sequence(prompt=2 * PAGE_TOKENS).reusable_keys) == 1
    assert len(sequence(prompt=2 * PAGE_TOKENS + 1).reusable_keys) == 2


def test_the_wait_ends_with_the_first_step() -> None:
    made = sequence()
    assert made.queued_s is None

    made.began_at = made.arrived_at + 2.5

    assert made.queued_s == 2.5


def test_why_no_token_was_sampled_is_the_grammar_s_reason_if_it_has_one() -> None:
    made = sequence()

    assert "not finite" in made.why_no_token
