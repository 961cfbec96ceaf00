"""Events of the Challenges contract that the node follows: demands on posted headers, and their answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.crypto import Address, Bytes32, to_address


@dataclass(frozen=True, slots=True)
class LeafDemanded:
    """Challenges: leaf `index` of a header must be justified until `deadline` (unix seconds). bond: wei."""

    node: Address
    epoch: int
    index: int
    author: Address
    bond: int
    deadline: int


@dataclass(frozen=True, slots=True)
class LeafJustified:
    """Challenges: `answerer` justified a leaf and got the bond."""

    node: Address
    epoch: int
    index: int
    answerer: Address


@dataclass(frozen=True, slots=True)
class PayeeDemanded:
    """Challenges: what a payee earned under a header must be shown until `deadline` (unix seconds). bond: wei.

    payee_kind: any number up to 255; kinds that no split has are absent from every state.
    """

    node: Address
    epoch: int
    payee_kind: int
    id: Bytes32
    author: Address
    bond: int
    deadline: int


@dataclass(frozen=True, slots=True)
class PayeeShown:
    """Challenges: it was shown what a payee earned, which may be nothing. cumulative: base units, proven by witness."""

    node: Address
    epoch: int
    payee_kind: int
    id: Bytes32
    cumulative: int
    witness: bytes


DemandEvent = LeafDemanded | LeafJustified | PayeeDemanded | PayeeShown


def _payee_demanded(v: Mapping[str, Any]) -> PayeeDemanded:
    node, author = to_address(v["node"]), to_address(v["author"])
    return PayeeDemanded(node, v["epoch"], v["payeeKind"], Bytes32(v["id"]), author, v["bond"], v["deadline"])


DEMAND_PARSERS: Mapping[str, Callable[[Mapping[str, Any]], DemandEvent]] = {
    "LeafDemanded": lambda v: LeafDemanded(
        to_address(v["node"]), v["epoch"], v["index"], to_address(v["author"]), v["bond"], v["deadline"]
    ),
    "LeafJustified": lambda v: LeafJustified(to_address(v["node"]), v["epoch"], v["index"], to_address(v["answerer"])),
    "PayeeDemanded": _payee_demanded,
    "PayeeShown": lambda v: PayeeShown(
        to_address(v["node"]), v["epoch"], v["payeeKind"], Bytes32(v["id"]), v["cumulative"], v["witness"]
    ),
}
"""How the event of each name is parsed from its values by name."""
