"""How far logits may be from float32."""

import math

import torch

from serving.base.agreement import EXCERPT, float32_error, rounding_multiple

EXACT = torch.randn(9, 50, generator=torch.Generator().manual_seed(1))
PHASES = ["prompt"] * 3 + ["second chunk"] * 3 + ["decode"] * 3


def noise(size: float, seed: int) -> torch.Tensor:
    return size * torch.randn(EXACT.shape, generator=torch.Generator().manual_seed(seed))


def test_equal_logits_have_no_error() -> None:
    assert float32_error(EXACT, EXACT) == 0
    assert rounding_multiple(EXACT, EXACT, EXACT, PHASES)[1] == 0


def test_one_wrong_row_is_enough_in_float32() -> None:
    got = EXACT.clone()
    got[4] *= 1.001

    assert float32_error(got, EXACT) > EXCERPT.tolerance


def test_the_size_of_the_logits_does_not_matter() -> None:
    small, large = (float32_error(scale * (EXACT + noise(1e-3, 2)), scale * EXACT) for scale in (1e-6, 1e6))

    assert math.isclose(small, large, rel_tol=1e-3)


def test_numbers_that_are_not_finite_are_infinitely_wrong() -> None:
    got = EXACT.clone()
    got[:3] = math.nan

    assert float32_error(got, EXACT) == math.inf
    assert rounding_multiple(got, EXACT, EXACT, PHASES) == ("prompt", math.inf)


def test_rounding_like_that_of_transformers_is_allowed() -> None:
    own = EXACT + noise(0.05, 3)

    assert rounding_multiple(EXACT + noise(0.05, 4), own, EXACT, PHASES)[1] < EXCERPT.multiple


def test_an_error_in_one_phase_is_found_and_named() -> None:
    own, got = EXACT + noise(0.05, 3), EXACT + noise(0.05, 4)
    got[6:] += noise(0.3, 5)[6:]

    phase, multiple = rounding_multiple(got, own, EXACT, PHASES)

    assert phase == "decode"
    assert multiple > EXCERPT.multiple


def test_a_single_token_that_was_routed_to_another_expert_does_not_matter() -> None:
    own, got = EXACT + noise(0.05, 3), EXACT + noise(0.05, 4)
    got[7] *= -1

    assert rounding_multiple(got, own, EXACT, PHASES)[1] < EXCERPT.multiple
