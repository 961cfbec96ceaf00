"""Payees have readable names where one is known, and are told apart where none is."""

from attribution.split import TREASURY, Payee
from contracts.crypto import Bytes32, to_address
from node.metering.payee_labels import Labels

OWNER = to_address("0x" + "a1" * 20)
DATANET = Payee.of_datanet(Bytes32(b"d" * 32), 1)


def test_a_payee_without_a_name_is_shown_by_its_address_or_id() -> None:
    labels = Labels()

    assert labels.of(TREASURY) == "treasury"
    assert labels.of_address(OWNER) == OWNER
    assert labels.of(DATANET) == f"Datanet 0x{DATANET.id.hex()[:8]}…"


def test_a_named_payee_is_shown_by_its_name() -> None:
    labels = Labels({DATANET: "dermatology v1", Payee.of_address(OWNER): "contributor-1"})

    assert (labels.of(DATANET), labels.of_address(OWNER)) == ("dermatology v1", "contributor-1")


def test_every_line_of_a_receipt_gets_its_payee_s_label() -> None:
    lines = [{"payeeKind": payee.kind, "id": "0x" + payee.id.hex(), "amount": "5"} for payee in (DATANET, TREASURY)]

    labelled = Labels({DATANET: "dermatology v1"}).with_lines({"fee": "10", "lines": lines})

    assert labelled["fee"] == "10"
    assert labelled["lines"] == [lines[0] | {"label": "dermatology v1"}, lines[1] | {"label": "treasury"}]
