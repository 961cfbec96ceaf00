"""The addresses of a deployment as a JSON object."""

import pytest

from contracts.crypto import to_address
from local_chain.deployment import Deployment

DEPLOYMENT = Deployment(
    31337, "0x" + "ab" * 32, *(to_address(f"0x{number:040x}") for number in range(1, len(Deployment.__slots__) - 1))
)


def test_a_deployment_survives_json() -> None:
    assert Deployment.from_json(DEPLOYMENT.to_json()) == DEPLOYMENT


@pytest.mark.parametrize("change", [{"settlement": "0x12"}, {"chain_id": "31337"}, {"extra": 1}, {"open_token": None}])
def test_a_malformed_deployment_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"address|fields|chain_id"):
        Deployment.from_json(DEPLOYMENT.to_json() | change)


@pytest.mark.parametrize("document", [[], None, {}, {"settlement": "0x" + "11" * 20}])
def test_a_document_without_the_fields_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="fields"):
        Deployment.from_json(document)
