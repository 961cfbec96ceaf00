"""Failures and their exit codes."""

import pytest

from node.cli.failures import (
    ChainFailure,
    ConfigurationFailure,
    Failure,
    FundsFailure,
    ModelFailure,
    UsageFailure,
    VerificationFailure,
    exit_code_of,
    failure_of,
)


def test_each_kind_of_failure_has_its_exit_code() -> None:
    kinds = (UsageFailure, ConfigurationFailure, ChainFailure, FundsFailure, ModelFailure, VerificationFailure)

    assert [exit_code_of(kind("x")) for kind in kinds] == [2, 3, 4, 5, 6, 7]
    assert exit_code_of(ValueError("nobody expected this")) is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("unsupported_field", UsageFailure),
        ("payment_required", FundsFailure),
        ("chain_unavailable", ChainFailure),
        ("model_not_found", ModelFailure),
        ("adapter_incompatible", ModelFailure),
        ("overloaded", ModelFailure),
        ("unauthorized", ConfigurationFailure),
    ],
)
def test_a_node_s_refusal_becomes_the_failure_of_its_code(code: str, kind: type[Failure]) -> None:
    assert type(failure_of(code, "why")) is kind
