"""Labels of models: bounded in number, never taken back."""

import random

from node.metrics.adapter_labels import COMPOSITION, LEAST_ASKED, MAX_LABELS, OTHER, AdapterLabels


def test_all_spellings_of_a_model_share_a_label() -> None:
    labels = AdapterLabels()

    assert {labels.of(model) for model in ("a", "a@" + "0" * 64, "base:a", "base:a@0123456789ab")} == {"a"}


def test_there_are_never_more_labels_than_the_cap() -> None:
    labels = AdapterLabels()
    rng = random.Random(1)
    often = [f"often-{n}" for n in range(2 * MAX_LABELS)]

    given = [labels.of(rng.choice(often)) for _ in range(20_000)]

    assert len(set(given) - {OTHER}) == MAX_LABELS
    assert OTHER in given


def test_a_label_once_given_stays() -> None:
    labels = AdapterLabels()
    rng, shown = random.Random(2), set[str]()

    for _ in range(20_000):
        name = f"adapter-{min(int(rng.paretovariate(0.5)), 5000)}"
        label = labels.of(name)
        assert label == name or (label == OTHER and name not in shown)
        shown |= {label} - {OTHER}


def test_an_adapter_that_comes_late_and_is_asked_for_often_gets_a_label() -> None:
    labels = AdapterLabels()
    for n in range(10 * MAX_LABELS):
        labels.of(f"early-{n}")

    late = [labels.of("late") for _ in range(LEAST_ASKED + 1)]

    assert late == [OTHER] * (LEAST_ASKED - 1) + ["late"] * 2


def test_an_adapter_that_is_asked_for_as_seldom_as_most_gets_none() -> None:
    labels = AdapterLabels()

    given = {labels.of(f"adapter-{n % 1000}") for n in range(100_000)}

    assert len(given) == MAX_LABELS // 2 + 1


def test_sums_of_adapters_share_one_label() -> None:
    labels = AdapterLabels()

    assert {labels.of(f"a*0.{n}+b*0.3") for n in range(1000)} == {COMPOSITION}
