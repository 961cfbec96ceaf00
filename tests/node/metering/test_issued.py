"""A receipt is shown to anybody without the salts, and to its payer with them."""

from dataclasses import replace

from attribution.split import TREASURY, Payee
from contracts.crypto import keccak
from contracts.structs import UsageReceipt
from node.metering.issued import IssuedReceipt, receipt_json
from tests.attribution.ledgers import OPERATOR, PAYERS, HonestNode

RECEIPT: UsageReceipt = HonestNode().serve(PAYERS[0], 0).receipt
LINES = {TREASURY: 5, Payee.of_address(OPERATOR): 95}
SIGNATURE = bytes(range(65))
ISSUED = IssuedReceipt(RECEIPT, SIGNATURE, keccak(b"one"), keccak(b"two"), LINES, channel=None)


def test_the_public_part_has_id_receipt_signature_and_split() -> None:
    shown = receipt_json(RECEIPT, SIGNATURE, LINES)

    assert shown == {
        "id": "0x" + RECEIPT.struct_hash().hex(),
        "receipt": RECEIPT.to_json(),
        "signature": "0x" + SIGNATURE.hex(),
        "lines": [
            {"payeeKind": 2, "id": "0x" + "00" * 32, "amount": "5"},
            {"payeeKind": 0, "id": "0x" + "00" * 12 + OPERATOR[2:].lower(), "amount": "95"},
        ],
    }


def test_the_payers_part_adds_the_salts() -> None:
    salts = {"promptSalt": "0x" + keccak(b"one").hex(), "outputSalt": "0x" + keccak(b"two").hex()}

    assert ISSUED.to_json() == receipt_json(RECEIPT, SIGNATURE, LINES) | salts
    assert ISSUED.receipt_id == RECEIPT.struct_hash()


def test_salts_that_are_gone_are_null() -> None:
    shown = replace(ISSUED, prompt_salt=None, output_salt=None).to_json()

    assert (shown["promptSalt"], shown["outputSalt"]) == (None, None)
