"""Readable names of payees: the operator, the treasury, Datanets and accounts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from attribution.split import TREASURY, Payee, PayeeKind
from contracts.crypto import Address, Bytes32


@dataclass(frozen=True, slots=True)
class Labels:
    """Names by payee. A payee without a name is shown by its address or id."""

    names: Mapping[Payee, str] = field(default_factory=dict)

    def of(self, payee: Payee) -> str:
        """The name of a payee."""
        if payee == TREASURY:
            return "treasury"
        if payee in self.names:
            return self.names[payee]
        return payee.address if payee.kind == PayeeKind.ADDRESS else f"Datanet 0x{payee.id.hex()[:8]}…"

    def of_address(self, address: Address) -> str:
        """The name of an address."""
        return self.of(Payee.of_address(address))

    def with_lines(self, receipt: Mapping[str, object]) -> dict[str, object]:
        """The JSON of a receipt, each line with its payee's label."""
        lines = cast(list[dict[str, object]], receipt["lines"])
        return {**receipt, "lines": [line | {"label": self.of(_payee(line))} for line in lines]}


def _payee(line: Mapping[str, object]) -> Payee:
    return Payee(cast(int, line["payeeKind"]), Bytes32(bytes.fromhex(cast(str, line["id"])[2:])))
