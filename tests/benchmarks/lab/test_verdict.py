"""Whose answer an answer is."""

from collections.abc import Sequence

import pytest

from benchmarks.lab.verdict import Checks, Isolated, Verdict, agreement, judge
from serving.types import TokenLogprobs

BASE, OTHER = (9, 2, 3, 4), (7, 7, 7, 7)
OWN = Isolated(
    (1, 2, 3, 4),
    tuple(TokenLogprobs(token, -0.5, ((token, -0.5), (5, -0.9), (6, -3.0))) for token in (1, 2, 3, 4)),
)


def verdict(tokens: Sequence[int], base: Sequence[int] | None = BASE) -> Verdict:
    return judge(tokens, OWN, base, [OTHER], tie_nats=1.0)


def test_the_isolated_runs_tokens_are_exact() -> None:
    assert verdict((1, 2, 3, 4)) is Verdict.EXACT


def test_another_adapters_answer_is_wrong() -> None:
    assert verdict(OTHER) is Verdict.WRONG_ADAPTER


def test_the_bases_answer_to_a_request_for_an_adapter_is_recognised() -> None:
    assert verdict(BASE) is Verdict.SILENT_BASE


def test_a_fork_at_a_tie_is_rounding() -> None:
    assert verdict((1, 2, 5, 8)) is Verdict.ROUNDED


@pytest.mark.parametrize("token", [6, 8], ids=["unlikely", "not among the likeliest"])
def test_a_fork_into_what_the_isolated_run_found_unlikely_is_broken(token: int) -> None:
    assert verdict((1, 2, token, 4)) is Verdict.BROKEN


def test_an_answer_that_went_over_to_another_adapter_late_is_broken() -> None:
    assert verdict((1, 2, 7, 7), base=None) is Verdict.BROKEN


def test_agreement_is_the_common_beginning() -> None:
    assert agreement((1, 2, 3), (1, 2, 4)) == 2
    assert agreement((1, 2), (1, 2, 4)) == 2


def test_counts_add_up_and_one_wrong_answer_is_not_ok() -> None:
    total = Checks(exact=3) + Checks(wrong_adapter=1, broken=1, rounded=2)

    assert total == Checks(wrong_adapter=1, broken=1, rounded=2, exact=3)
    assert total.faults == 2
    assert not total.ok
    assert Checks(exact=3, rounded=1).ok
