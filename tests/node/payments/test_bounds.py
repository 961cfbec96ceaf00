from dataclasses import replace

from contracts.fees import highest_fee
from node.payments.bounds import Bounds
from tests.node.payments.shop import PRICES


def bounds(**changes: int | None) -> Bounds:
    given: dict[str, int | None] = {
        "body_bytes": 100,
        "template_tokens": 10,
        "max_new_tokens": 8,
        "choices": 1,
        "context_tokens": 512,
    }
    return Bounds.of(**(given | changes))  # type: ignore[arg-type]  # only max_new_tokens may be None


def test_a_prompt_has_at_most_a_token_per_byte_and_those_of_its_template() -> None:
    assert bounds() == Bounds(110, 8)
    assert bounds(body_bytes=9_000) == Bounds(512, 8)


def test_the_context_bounds_the_output_of_each_choice() -> None:
    assert bounds(max_new_tokens=None, choices=3) == bounds(max_new_tokens=9_000, choices=3) == Bounds(110, 3 * 512)


def test_the_amount_is_the_highest_fee_and_never_nothing() -> None:
    free = replace(PRICES, prompt_per_m=0, cached_per_m=0, output_per_m=0, min_fee=0)

    assert bounds().amount(PRICES) == highest_fee(PRICES, 110, 8)
    assert bounds().amount(free) == 1
