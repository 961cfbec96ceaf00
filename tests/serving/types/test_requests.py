"""The values of a request."""

from serving.types import AdapterDigest, AdapterPart, Prepared, ResolvedModel


def test_the_base_and_a_single_adapter_are_no_compositions() -> None:
    digest = AdapterDigest("a" * 64)

    assert not ResolvedModel("base").is_composition
    assert not ResolvedModel("a", digest, parts=(AdapterPart("a", digest),)).is_composition


def test_one_adapter_with_a_weight_is_a_composition() -> None:
    part = AdapterPart("a", AdapterDigest("a" * 64), 0.5)

    assert ResolvedModel("a*0.5", AdapterDigest("b" * 64), parts=(part,)).is_composition


def test_all_choices_together_may_produce_so_many_tokens() -> None:
    assert Prepared(ResolvedModel("base"), (1, 2), 10, choices=3).most_output_tokens == 30
