"""A receipt as it is handed to whoever asked for the inference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from attribution.split import Payee
from contracts.crypto import Address, Bytes32
from contracts.structs import UsageReceipt
from node.store.channels import Channel


class Signer(Protocol):
    """The operator's key; `contracts.crypto.PrivateKey` is one."""

    @property
    def address(self) -> Address: ...

    def sign(self, digest: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class IssuedReceipt:
    """A signed receipt with what only the payer gets: the salts that open its commitments.

    The salts are None for a receipt of an earlier life of this process: they are never stored. lines: what each payee
    earned, Σ = fee. channel: its state after the charge, None for a free receipt.
    """

    receipt: UsageReceipt
    signature: bytes
    prompt_salt: Bytes32 | None
    output_salt: Bytes32 | None
    lines: Mapping[Payee, int]
    channel: Channel | None

    @property
    def receipt_id(self) -> Bytes32:
        return self.receipt.struct_hash()

    def to_json(self) -> dict[str, object]:
        """The `receipt` member of a response."""
        return receipt_json(self.receipt, self.signature, self.lines) | {
            "promptSalt": _hex(self.prompt_salt),
            "outputSalt": _hex(self.output_salt),
        }


def receipt_json(receipt: UsageReceipt, signature: bytes, lines: Mapping[Payee, int]) -> dict[str, object]:
    """What may be shown to anybody: the receipt, its id and signature, and its split."""
    return {
        "id": _hex(receipt.struct_hash()),
        "receipt": receipt.to_json(),
        "signature": _hex(signature),
        "lines": [
            {"payeeKind": int(payee.kind), "id": _hex(payee.id), "amount": str(amount)}
            for payee, amount in lines.items()
        ],
    }


def _hex(value: bytes | None) -> str | None:
    return None if value is None else "0x" + value.hex()
