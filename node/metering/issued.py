"""A receipt as the payer of an inference gets it."""

from collections.abc import Mapping
from dataclasses import dataclass

from attribution.split import Payee
from contracts.crypto import Bytes32
from contracts.encoding import to_hex
from contracts.structs import UsageReceipt
from node.store.channels import Channel


@dataclass(frozen=True, slots=True)
class IssuedReceipt:
    """A signed receipt, with the salts that open its commitments, which only the payer gets.

    The salts are None for a receipt that an earlier process issued: they are never stored. lines: what each payee
    earned, Σ = fee. channel: its state after the charge; None for a free receipt. announced: the charge that the
    headers of a whole answer announce to a client that signs vouchers only.
    """

    receipt: UsageReceipt
    signature: bytes
    prompt_salt: Bytes32 | None
    output_salt: Bytes32 | None
    lines: Mapping[Payee, int]
    channel: Channel | None
    announced: int = 0

    @property
    def receipt_id(self) -> Bytes32:
        """The public id of the receipt: its struct hash."""
        return self.receipt.struct_hash()

    def to_json(self) -> dict[str, object]:
        """The `receipt` member of a response."""
        return receipt_json(self.receipt, self.signature, self.lines) | {
            "promptSalt": _hex_or_none(self.prompt_salt),
            "outputSalt": _hex_or_none(self.output_salt),
        }


def receipt_json(receipt: UsageReceipt, signature: bytes, lines: Mapping[Payee, int]) -> dict[str, object]:
    """The public part: the receipt, its id and signature, and how its fee splits."""
    return {
        "id": to_hex(receipt.struct_hash()),
        "receipt": receipt.to_json(),
        "signature": to_hex(signature),
        "lines": [
            {"payeeKind": int(payee.kind), "id": to_hex(payee.id), "amount": str(amount)}
            for payee, amount in lines.items()
        ],
    }


def _hex_or_none(value: bytes | None) -> str | None:
    return None if value is None else to_hex(value)
