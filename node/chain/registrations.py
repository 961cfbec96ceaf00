"""Prices, terms, adapters and Datanets in the registries, built in memory from confirmed events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from attribution.transition import Registered
from contracts.crypto import ZERO_BYTES32, Address, Bytes32
from contracts.encoding import BASE_KEY, unregistered_key
from contracts.structs import PriceList, Terms
from node.chain.events import (
    AdapterPublished,
    ChainEvent,
    DatanetPublished,
    NodeRegistered,
    OperatorRotated,
    PriceListRegistered,
    TermsRegistered,
)
from node.chain.follower import ChainFollower

_V = TypeVar("_V", PriceList, Terms)


@dataclass(slots=True)
class _View:
    """All registrations by key, in the order of registration."""

    prices: dict[Bytes32, list[Registered[PriceList]]] = field(default_factory=dict)
    terms: dict[Bytes32, list[Registered[Terms]]] = field(default_factory=dict)
    adapters: dict[tuple[bytes, bytes], list[AdapterPublished]] = field(default_factory=dict)
    datanets: dict[tuple[Bytes32, int], DatanetPublished] = field(default_factory=dict)
    operators: list[OperatorRotated] = field(default_factory=list)


class ChainRegistrations:
    """The registries' state for one node and base model. Call `refresh` after each poll of the follower."""

    def __init__(self, follower: ChainFollower, node: Address, base_digest: Bytes32) -> None:
        self._follower, self._node, self._base = follower, node, base_digest
        self._view = _View()
        self._seen: tuple[int, int] | None = None
        self.refresh()

    def refresh(self) -> None:
        """Rebuilds the state from the confirmed events if they changed: an empty block may confirm one, too."""
        confirmed = self._follower.confirmed
        seen = self._follower.changes, len(confirmed)
        if seen != self._seen:
            self._view, self._seen = _view_of(confirmed), seen

    def price_list_at(self, adapter_key: Bytes32, at: int) -> Registered[PriceList] | None:
        """The price list in force for an adapter at `at` (unix seconds): its own, else the node's default."""
        own = _holding(self._view.prices.get(adapter_key, []), at)
        return own or _holding(self._view.prices.get(ZERO_BYTES32, []), at)

    def has_prices(self, at: int) -> bool:
        """Whether any price list of the node is in force at `at`."""
        return any(_holding(windows, at) is not None for windows in self._view.prices.values())

    def terms_at(self, adapter_key: Bytes32, at: int) -> Registered[Terms] | None:
        """The terms in force for an adapter at `at`; None if there are none."""
        return _holding(self._view.terms.get(adapter_key, []), at)

    def terms_from(self, adapter_key: Bytes32) -> int | None:
        """Since when an adapter has terms, in unix seconds; None if it never had terms."""
        windows = self._view.terms.get(adapter_key)
        return windows[0].from_ if windows else None

    def adapter_key_of(self, adapter_digest: str | None) -> Bytes32:
        """The key of the adapter's first publication with terms for this base, else the key with id and version 0.

        Only the first publisher counts: publishing the same weights later does not earn the royalty. A publication
        without terms does not count yet. Terms are in force from their block on, so a receipt from before this node saw
        them would name no terms where the ledger requires them, and no batch could contain it.
        """
        if adapter_digest is None:
            return BASE_KEY
        digest = Bytes32(bytes.fromhex(adapter_digest))
        published = self._view.adapters.get((digest, self._base), [])
        keys = (version.adapter_key for version in published if version.adapter_key in self._view.terms)
        return next(keys, unregistered_key(digest, self._base))

    def adapter(self, key: Bytes32) -> AdapterPublished | None:
        """The publication with this adapter key; None if there is none."""
        versions = (version for published in self._view.adapters.values() for version in published)
        return next((version for version in versions if version.adapter_key == key), None)

    def datanet(self, datanet_id: Bytes32, version: int) -> DatanetPublished | None:
        """The publication of a Datanet version; None if it is not published."""
        return self._view.datanets.get((datanet_id, version))

    def datanets(self) -> Sequence[DatanetPublished]:
        """All published Datanet versions, in the order of publication."""
        return tuple(self._view.datanets.values())

    def all_terms(self) -> Sequence[Registered[Terms]]:
        """All registered terms with their validity windows."""
        return tuple(window for windows in self._view.terms.values() for window in windows)

    def operator_at(self, at: int) -> Address | None:
        """The operator who signed for the node at `at` (unix seconds); None if the chain names none."""
        rotations = reversed(self._view.operators)
        return next((rotation.operator for rotation in rotations if rotation.valid_from <= at), None)

    def operators(self) -> Sequence[Registered[Address]]:
        """The node's operator keys with the windows in which their signatures count; the first starts at 0."""
        windows = _windows([rotation.valid_from for rotation in self._view.operators])
        return [Registered(one.operator, *window) for one, window in zip(self._view.operators, windows, strict=True)]

    def head_time(self) -> int:
        """The timestamp of the newest followed block, in unix seconds."""
        return self._follower.head.timestamp


def _holding(windows: Sequence[Registered[_V]], at: int) -> Registered[_V] | None:
    return next((window for window in windows if window.holds(at)), None)


def _windows(starts: Sequence[int]) -> list[tuple[int, int | None]]:
    """Each start with the start of its successor, None for the last."""
    return list(zip(starts, [*starts[1:], None], strict=True)) if starts else []


def _view_of(events: Iterable[ChainEvent]) -> _View:
    view = _View()
    lists: dict[Bytes32, list[PriceListRegistered]] = {}
    agreed: dict[Bytes32, list[TermsRegistered]] = {}
    for event in (followed.event for followed in events):
        match event:
            case PriceListRegistered():
                lists.setdefault(event.price_list.adapter_key, []).append(event)
            case TermsRegistered():
                agreed.setdefault(event.terms.adapter_key, []).append(event)
            case AdapterPublished():
                view.adapters.setdefault((event.adapter_digest, event.base_digest), []).append(event)
            case DatanetPublished():
                view.datanets[event.datanet_id, event.version] = event
            case NodeRegistered():
                view.operators.append(OperatorRotated(event.node, event.operator, valid_from=0))
            case OperatorRotated():
                view.operators.append(event)
            case _:
                pass
    for key, prices in lists.items():
        windows = _windows([event.valid_from for event in prices])
        view.prices[key] = [Registered(p.price_list, *window) for p, window in zip(prices, windows, strict=True)]
    for key, terms in agreed.items():
        windows = _windows([event.valid_from for event in terms])
        view.terms[key] = [Registered(t.terms, *window) for t, window in zip(terms, windows, strict=True)]
    return view
