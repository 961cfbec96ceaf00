"""Prices, terms, adapters and Datanets as the registries have them: confirmed events, answered from memory."""

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
    OperatorRotated,
    PriceListRegistered,
    TermsRegistered,
)
from node.chain.follower import ChainFollower

_V = TypeVar("_V", PriceList, Terms)


@dataclass(slots=True)
class _View:
    """Everything that is registered, by key, in the order of registration."""

    prices: dict[Bytes32, list[Registered[PriceList]]] = field(default_factory=dict)
    terms: dict[Bytes32, list[Registered[Terms]]] = field(default_factory=dict)
    adapters: dict[tuple[bytes, bytes], list[AdapterPublished]] = field(default_factory=dict)
    datanets: dict[tuple[Bytes32, int], DatanetPublished] = field(default_factory=dict)
    operators: list[OperatorRotated] = field(default_factory=list)


class ChainRegistrations:
    """The registries' state for one node and base model. `refresh` after each poll of the follower."""

    def __init__(self, follower: ChainFollower, node: Address, base_digest: Bytes32) -> None:
        self._follower, self._node, self._base = follower, node, base_digest
        self._view = _View()
        self.refresh()

    def refresh(self) -> None:
        """Takes over what the follower has confirmed."""
        self._view = _view_of(self._follower.confirmed)

    def price_list_at(self, adapter_key: Bytes32, at: int) -> Registered[PriceList] | None:
        """The list in force for this adapter at `at`: its own, else the node's default."""
        own = _holding(self._view.prices.get(adapter_key, []), at)
        return own or _holding(self._view.prices.get(ZERO_BYTES32, []), at)

    def terms_at(self, adapter_key: Bytes32, at: int) -> Registered[Terms] | None:
        return _holding(self._view.terms.get(adapter_key, []), at)

    def terms_from(self, adapter_key: Bytes32) -> int | None:
        """Since when an adapter has terms; None if it never had."""
        windows = self._view.terms.get(adapter_key)
        return windows[0].from_ if windows else None

    def adapter_key_of(self, adapter_digest: str | None) -> Bytes32:
        """The key of the adapter's first publication with terms for this base; else one with id and version 0.

        The first publisher counts: whoever publishes the same weights later does not earn their royalty. A publication
        without terms does not count yet: first terms hold from their block on, so a receipt that was dated before this
        node saw them would name none where the ledger demands them, and no batch could ever take it.
        """
        if adapter_digest is None:
            return BASE_KEY
        digest = Bytes32(bytes.fromhex(adapter_digest))
        published = self._view.adapters.get((digest, self._base), [])
        keys = (one.adapter_key for one in published if one.adapter_key in self._view.terms)
        return next(keys, unregistered_key(digest, self._base))

    def adapter(self, key: Bytes32) -> AdapterPublished | None:
        """The publication behind an adapter key."""
        versions = (one for published in self._view.adapters.values() for one in published)
        return next((one for one in versions if one.adapter_key == key), None)

    def datanet(self, datanet_id: Bytes32, version: int) -> DatanetPublished | None:
        return self._view.datanets.get((datanet_id, version))

    def datanets(self) -> Sequence[DatanetPublished]:
        """Every published Datanet version, in the order of publication."""
        return tuple(self._view.datanets.values())

    def all_terms(self) -> Sequence[Registered[Terms]]:
        """Every registered window of terms."""
        return tuple(window for windows in self._view.terms.values() for window in windows)

    def operator_at(self, at: int) -> Address | None:
        """Whose signature was the node's at `at`, as far as rotations tell; None before the first rotation."""
        return next((one.operator for one in reversed(self._view.operators) if one.valid_from <= at), None)

    def head_time(self) -> int:
        return self._follower.head.timestamp


def _holding(windows: Sequence[Registered[_V]], at: int) -> Registered[_V] | None:
    return next((window for window in windows if window.holds(at)), None)


def _windows(starts: Sequence[int]) -> list[tuple[int, int | None]]:
    """Each start with the moment at which its successor takes over."""
    return list(zip(starts, [*starts[1:], None], strict=True))


def _view_of(events: Iterable[ChainEvent]) -> _View:
    view = _View()
    lists: dict[Bytes32, list[PriceListRegistered]] = {}
    agreed: dict[Bytes32, list[TermsRegistered]] = {}
    for event in (one.event for one in events):
        match event:
            case PriceListRegistered():
                lists.setdefault(event.price_list.adapter_key, []).append(event)
            case TermsRegistered():
                agreed.setdefault(event.terms.adapter_key, []).append(event)
            case AdapterPublished():
                view.adapters.setdefault((event.adapter_digest, event.base_digest), []).append(event)
            case DatanetPublished():
                view.datanets[event.datanet_id, event.version] = event
            case OperatorRotated():
                view.operators.append(event)
            case _:
                pass
    for key, prices in lists.items():
        windows = _windows([one.valid_from for one in prices])
        view.prices[key] = [Registered(one.price_list, *window) for one, window in zip(prices, windows, strict=True)]
    for key, terms in agreed.items():
        windows = _windows([one.valid_from for one in terms])
        view.terms[key] = [Registered(one.terms, *window) for one, window in zip(terms, windows, strict=True)]
    return view
