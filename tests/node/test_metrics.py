"""Labels: one per adapter however it is spelled, and never more than the cap."""

from node.metrics import MAX_ADAPTER_LABELS, Metrics


def test_all_spellings_of_a_model_share_a_label() -> None:
    metrics = Metrics()

    assert {metrics.label(model) for model in ("a", "a@" + "0" * 64, "base:a", "base:a@0123456789ab")} == {"a"}


def test_labels_beyond_the_cap_are_other() -> None:
    metrics = Metrics()
    labels = [metrics.label(f"adapter-{n}") for n in range(MAX_ADAPTER_LABELS + 5)]

    assert labels[-5:] == ["other"] * 5
    assert metrics.label("adapter-0") == "adapter-0"
    assert len(set(labels)) == MAX_ADAPTER_LABELS + 1


def test_sums_of_adapters_share_a_label_and_take_no_room() -> None:
    metrics = Metrics()

    labels = {metrics.label(f"a@0123456789ab*0.{n + 1}+b") for n in range(2 * MAX_ADAPTER_LABELS)}

    assert labels == {"composition"}
    assert metrics.label("a") == "a"
