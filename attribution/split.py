"""How a fee is split among the payees of a receipt."""

from collections import defaultdict
from dataclasses import dataclass
from enum import IntEnum

from contracts.crypto import ZERO_BYTES32, Address, Bytes32, address_bytes, to_address
from contracts.encoding import datanet_payee
from contracts.fees import MILLION
from contracts.structs import PriceList, Terms


class PayeeKind(IntEnum):
    """What a payee's id identifies."""

    ADDRESS = 0
    DATANET = 1
    TREASURY = 2


@dataclass(frozen=True, slots=True, order=True)
class Payee:
    """Who gets a line of a split: an address, a Datanet version (its contributors claim by weight) or the treasury."""

    kind: int
    id: Bytes32

    @classmethod
    def of_address(cls, address: Address) -> "Payee":
        """An account as a payee."""
        return cls(PayeeKind.ADDRESS, Bytes32(bytes(12) + address_bytes(address)))

    @classmethod
    def of_datanet(cls, datanet_id: Bytes32, version: int) -> "Payee":
        """A Datanet version as a payee."""
        return cls(PayeeKind.DATANET, datanet_payee(datanet_id, version))

    @property
    def address(self) -> Address:
        """The account of an ADDRESS payee; ValueError for another kind."""
        if self.kind != PayeeKind.ADDRESS:
            raise ValueError(f"payee kind {self.kind} has no address")
        return to_address("0x" + self.id[12:].hex())


TREASURY = Payee(PayeeKind.TREASURY, ZERO_BYTES32)


class InvalidSplit(ValueError):
    """The parts of a price list and terms add up to more than the whole fee."""


def lines(fee: int, price_list: PriceList, terms: Terms | None) -> dict[Payee, int]:
    """What each payee earns of `fee`. The lines sum to `fee`; a payee who earns nothing has no line.

    treasury, owner: ⌊fee·ppm/10^6⌋; Datanet version j: ⌊fee·dataPpm·ppm_j/10^12⌋; the operator gets the rest.
    Lines of the same payee are summed. `terms` is None for the base model and for unregistered adapters. InvalidSplit
    if the parts exceed the fee.
    """
    parts: dict[Payee, int] = defaultdict(int)
    parts[TREASURY] += fee * price_list.treasury_ppm // MILLION
    if terms is not None:
        parts[Payee.of_address(terms.owner)] += fee * terms.royalty_ppm // MILLION
        for link in terms.datanets:
            share = fee * terms.data_ppm * link.ppm // MILLION**2
            parts[Payee.of_datanet(link.datanet_id, link.version)] += share
    rest = fee - sum(parts.values())
    if rest < 0:
        raise InvalidSplit(f"treasury, royalty and data parts leave {rest} of a fee of {fee} to the operator")
    parts[Payee.of_address(price_list.operator_payee)] += rest
    made = {payee: amount for payee, amount in parts.items() if amount}
    assert sum(made.values()) == fee, "lines do not sum to the fee"
    return made
