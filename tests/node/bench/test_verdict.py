"""Whose answer an answer is."""

from node.bench.verdict import Checks, Verdict, agreement, judged

OWN, BASE, OTHER = (1, 2, 3, 4), (9, 2, 3, 4), (7, 7, 7, 7)


def test_the_isolated_runs_tokens_are_exact() -> None:
    assert judged(OWN, OWN, BASE, [OTHER]) is Verdict.EXACT


def test_another_adapters_answer_is_wrong() -> None:
    assert judged(OTHER, OWN, BASE, [OTHER]) is Verdict.WRONG_ADAPTER


def test_the_bases_answer_to_a_question_for_an_adapter_is_told() -> None:
    assert judged(BASE, OWN, BASE, [OTHER]) is Verdict.SILENT_BASE


def test_an_early_fork_that_is_nobody_elses_is_rounding() -> None:
    assert judged((1, 2, 5, 5), OWN, BASE, [OTHER]) is Verdict.ROUNDED


def test_an_answer_that_went_over_to_another_adapter_late_is_still_its_own() -> None:
    assert judged((1, 2, 7, 7), OWN, None, [OTHER]) is Verdict.ROUNDED


def test_agreement_is_the_common_beginning() -> None:
    assert agreement((1, 2, 3), (1, 2, 4)) == 2
    assert agreement((1, 2), (1, 2, 4)) == 2


def test_counts_add_up_and_one_wrong_answer_is_not_ok() -> None:
    total = Checks(exact=3) + Checks(wrong_adapter=1, rounded=2)

    assert total == Checks(wrong_adapter=1, rounded=2, exact=3)
    assert not total.ok
    assert Checks(exact=3).ok
