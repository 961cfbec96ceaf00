"""The events that the node follows, parsed into values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.crypto import Address, Bytes32, to_address
from contracts.structs import BatchHeader, PriceList, Terms
from node.chain.abi import abi_of
from node.chain.client import Log
from node.chain.demand_events import DEMAND_PARSERS, DemandEvent


@dataclass(frozen=True, slots=True)
class NodeRegistered:
    """NodeRegistry: a node exists, and `operator` signs for it."""

    node: Address
    operator: Address


@dataclass(frozen=True, slots=True)
class OperatorRotated:
    """NodeRegistry: `operator` signs for the node from `valid_from` (unix seconds)."""

    node: Address
    operator: Address
    valid_from: int


@dataclass(frozen=True, slots=True)
class PriceListRegistered:
    """NodeRegistry: a price list that is in force from `valid_from` (unix seconds)."""

    price_hash: Bytes32
    price_list: PriceList
    valid_from: int


@dataclass(frozen=True, slots=True)
class TermsRegistered:
    """AssetRegistry: terms of an adapter that are in force from `valid_from` (unix seconds)."""

    terms_hash: Bytes32
    terms: Terms
    valid_from: int


@dataclass(frozen=True, slots=True)
class AdapterPublished:
    """AssetRegistry's `AdapterVersionPublished`: an adapter version for one base model."""

    adapter_id: Bytes32
    adapter_key: Bytes32
    version: int
    adapter_digest: Bytes32
    base_digest: Bytes32
    published_at: int


@dataclass(frozen=True, slots=True)
class DatanetPublished:
    """AssetRegistry's `DatanetVersionPublished`: the roots and weights of a Datanet version."""

    datanet_id: Bytes32
    version: int
    content_root: Bytes32
    contributors_root: Bytes32
    total_weight: int
    contributor_count: int
    published_at: int


@dataclass(frozen=True, slots=True)
class Credited:
    """Settlement: a vault forwarded `amount`, `total` so far, in base units."""

    node: Address
    amount: int
    total: int


@dataclass(frozen=True, slots=True)
class BatchPosted:
    """Settlement: a batch header; it can be activated from `active_from` (unix seconds)."""

    node: Address
    header: BatchHeader
    header_hash: Bytes32
    active_from: int


@dataclass(frozen=True, slots=True)
class BatchActivated:
    """Settlement: payees may claim under this epoch; `cum_total` in base units."""

    node: Address
    epoch: int
    cum_total: int


@dataclass(frozen=True, slots=True)
class HeaderDied:
    """Settlement: the header of this epoch and all later ones of the node died. Their epochs are used again."""

    node: Address
    epoch: int
    commitment: Bytes32
    challenger: Address


@dataclass(frozen=True, slots=True)
class LedgerClosed:
    """Settlement: receipts after `died_at` (unix seconds) can never be posted for this node."""

    node: Address
    died_at: int


@dataclass(frozen=True, slots=True)
class PayeePaid:
    """Settlement's `Claimed`."""

    node: Address
    payee_kind: int
    id: Bytes32
    to: Address
    epoch: int
    amount: int
    cumulative: int


@dataclass(frozen=True, slots=True)
class SharePaid:
    """Settlement's `ShareClaimed`."""

    node: Address
    datanet_id: Bytes32
    version: int
    contributor: Address
    to: Address
    epoch: int
    amount: int
    cumulative: int


@dataclass(frozen=True, slots=True)
class TreasuryChanged:
    """Settlement: the new treasury."""

    treasury: Address


@dataclass(frozen=True, slots=True)
class WithdrawInitiated:
    """ChannelEscrow: a payer began to withdraw; it can be finalized after `finalize_after` (unix seconds)."""

    channel_id: Bytes32
    amount: int
    finalize_after: int


@dataclass(frozen=True, slots=True)
class WithdrawFinalized:
    """ChannelEscrow: a payer's withdrawal was paid out. amount: base units, 0 if the receiver had claimed it all."""

    channel_id: Bytes32
    amount: int


@dataclass(frozen=True, slots=True)
class Refunded:
    """ChannelEscrow: the receiver returned `amount` base units to the payer, which lowers a pending withdrawal."""

    channel_id: Bytes32
    amount: int


Event = (
    NodeRegistered
    | OperatorRotated
    | PriceListRegistered
    | TermsRegistered
    | AdapterPublished
    | DatanetPublished
    | Credited
    | BatchPosted
    | BatchActivated
    | HeaderDied
    | LedgerClosed
    | PayeePaid
    | SharePaid
    | TreasuryChanged
    | WithdrawInitiated
    | WithdrawFinalized
    | Refunded
    | DemandEvent
)


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """An event and the log it was parsed from."""

    log: Log
    event: Event


def _batch_posted(v: Mapping[str, Any]) -> BatchPosted:
    header = BatchHeader.from_abi(v["header"])
    return BatchPosted(to_address(v["node"]), header, Bytes32(v["headerHash"]), v["activeFrom"])


def _datanet(v: Mapping[str, Any]) -> DatanetPublished:
    content, contributors, total, count, at = v["value"]
    return DatanetPublished(v["datanetId"], v["version"], content, contributors, total, count, at)


def _adapter(v: Mapping[str, Any]) -> AdapterPublished:
    adapter_id, version, adapter_digest, base_digest, at = v["value"]
    return AdapterPublished(adapter_id, v["adapterKey"], version, adapter_digest, base_digest, at)


def _header_died(v: Mapping[str, Any]) -> HeaderDied:
    return HeaderDied(to_address(v["node"]), v["epoch"], v["commitment"], to_address(v["challenger"]))


def _payee_paid(v: Mapping[str, Any]) -> PayeePaid:
    return PayeePaid(
        to_address(v["node"]), v["payeeKind"], v["id"], to_address(v["to"]), v["epoch"], v["amount"], v["cumulative"]
    )


def _share_paid(v: Mapping[str, Any]) -> SharePaid:
    return SharePaid(
        to_address(v["node"]),
        v["datanetId"],
        v["version"],
        to_address(v["contributor"]),
        to_address(v["to"]),
        v["epoch"],
        v["amount"],
        v["cumulative"],
    )


_Parser = Callable[[Mapping[str, Any]], Event]
_PARSERS: Mapping[str, Mapping[str, _Parser]] = {
    "NodeRegistry": {
        "NodeRegistered": lambda v: NodeRegistered(to_address(v["node"]), to_address(v["operator"])),
        "OperatorRotated": lambda v: OperatorRotated(to_address(v["node"]), to_address(v["operator"]), v["from"]),
        "PriceListRegistered": lambda v: PriceListRegistered(v["priceHash"], PriceList.from_abi(v["list"]), v["from"]),
    },
    "AssetRegistry": {
        "TermsRegistered": lambda v: TermsRegistered(v["termsHash"], Terms.from_abi(v["terms"]), v["from"]),
        "AdapterVersionPublished": _adapter,
        "DatanetVersionPublished": _datanet,
    },
    "Settlement": {
        "Credited": lambda v: Credited(to_address(v["node"]), v["amount"], v["total"]),
        "BatchPosted": _batch_posted,
        "BatchActivated": lambda v: BatchActivated(to_address(v["node"]), v["epoch"], v["cumTotal"]),
        "HeaderDied": _header_died,
        "LedgerClosed": lambda v: LedgerClosed(to_address(v["node"]), v["diedAt"]),
        "Claimed": _payee_paid,
        "ShareClaimed": _share_paid,
        "TreasuryChanged": lambda v: TreasuryChanged(to_address(v["treasury"])),
    },
    "ChannelEscrow": {
        "WithdrawInitiated": lambda v: WithdrawInitiated(v["channelId"], v["amount"], v["finalizeAfter"]),
        "WithdrawFinalized": lambda v: WithdrawFinalized(v["channelId"], v["amount"]),
        "Refunded": lambda v: Refunded(v["channelId"], v["amount"]),
    },
    "Challenges": DEMAND_PARSERS,
}


def topics_of(contract: str) -> tuple[Bytes32, ...]:
    """The first topics of the events of a contract that the node follows."""
    return tuple(abi_of(contract).events[name].topic for name in _PARSERS[contract])


def parse(contract: str, log: Log) -> Event | None:
    """Parses a log of `contract`; None if the node does not follow this event. Raises UnexpectedAnswer."""
    for name, parser in _PARSERS[contract].items():
        event = abi_of(contract).events[name]
        if log.topics and log.topics[0] == event.topic:
            return parser(event.decode(log))
    return None


def concerns(event: Event, node: Address) -> bool:
    """Whether an event is about `node` or about no particular node."""
    named = event.price_list.node if isinstance(event, PriceListRegistered) else getattr(event, "node", node)
    return bool(named == node)
