"""Random registrations of one node, on the contracts and in Python: price lists and terms with several windows."""

import random
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from attribution.transition import Evidence, Registered
from contracts.crypto import ZERO_BYTES32, Address, Bytes32
from contracts.eip712 import Struct
from contracts.encoding import adapter_key
from contracts.structs import DatanetLink, PriceList, Terms, UsageReceipt
from tests.contracts.world import NOTICE_S, OPEN, World, key

SPAN_S = 100_000
"""How far the windows of a market reach."""


V = TypeVar("V", bound=Struct)


@dataclass(slots=True)
class History(Generic[V]):
    """Windows of one key, oldest first: (from, value)."""

    windows: list[tuple[int, V]] = field(default_factory=list)

    def registered(self, value: V, at: int) -> Registered[V]:
        """The window of `value` that holds `at`; otherwise one that does not."""
        others = []
        for index, (start, held) in enumerate(self.windows):
            until = self.windows[index + 1][0] if index + 1 < len(self.windows) else None
            window = Registered(held, start, until)
            if held == value:
                others.append(window)
                if window.holds(at):
                    return window
        return others[0] if others else Registered(value, 0, 0)

    def at(self, time: int) -> V | None:
        """The value in force at a time."""
        return next((value for start, value in reversed(self.windows) if start <= time), None)


class Market:
    """A world whose node has price lists, and adapters with terms: none, few or many Datanets, several windows."""

    def __init__(self, seed: int, *, dearest: int = 2**96 - 1) -> None:
        self.draw = random.Random(seed)
        self.world, self.dearest = World(), dearest
        self.prices: dict[Bytes32, History[PriceList]] = {}
        self.terms: dict[Bytes32, History[Terms]] = {}
        self.datanets = [self._datanet(number) for number in range(16)]
        self.adapters = [self._adapter(number) for number in range(4)]
        self.start = self.world.machine.now
        self._price_windows(ZERO_BYTES32)
        self._price_windows(self.adapters[0])
        for number, links in enumerate((0, 1, 16)):
            self._term_windows(self.adapters[number], links)
        unknown = adapter_key(ZERO_BYTES32, 0, Bytes32(b"\1" * 32), Bytes32(b"\2" * 32))
        self.adapters += [unknown, ZERO_BYTES32]

    def price_list_at(self, adapter: Bytes32, time: int) -> PriceList:
        """A price list under which the node could sell then."""
        lists = [self.prices[at].at(time) for at in (adapter, ZERO_BYTES32) if at in self.prices]
        return self.draw.choice([value for value in lists if value is not None])

    def refreshed(self, receipt: UsageReceipt, evidence: Evidence) -> Evidence:
        """The evidence with the windows that the registries have at the receipt's start."""
        value = evidence.price_list.value
        history = self.prices.get(value.adapter_key) if value.node == self.world.vault.address else None
        prices = (history or History[PriceList]()).registered(value, receipt.started_at)
        agreed = self.terms.get(receipt.adapter_key)
        terms_from = agreed.windows[0][0] if agreed else None
        terms = None
        if evidence.terms is not None:
            stated = evidence.terms.value
            terms = self.terms.get(stated.adapter_key, History[Terms]()).registered(stated, receipt.started_at)
        return replace(evidence, price_list=prices, terms=terms, terms_from=terms_from)

    # ---- registrations -------------------------------------------------------------------------------------------

    def _datanet(self, number: int) -> DatanetLink:
        root = Bytes32(number.to_bytes(31) + b"\1")
        return DatanetLink(self.world.publish_datanet(root, 100, 4), 1, 0)

    def _adapter(self, number: int) -> Bytes32:
        return self.world.publish_adapter(self.owner_of(number), number)

    def owner_of(self, number: int) -> Address:
        """The owner of an adapter; that of the first is the node's own, who also receives the operator's part."""
        return self.world.owner.address if number == 0 else key(f"adapter owner {number}").address

    def _price_windows(self, adapter: Bytes32) -> None:
        made = [self._price_list(adapter) for _ in range(3)]
        made.append(made[0])  # a list that is registered again
        history = self.prices[adapter] = History()
        for value, start in zip(made, self._starts(len(made)), strict=True):
            listed = (value.prompt_per_m, value.cached_per_m, value.output_per_m, value.min_fee, value.operator_payee)
            arguments = (self.world.vault.address, adapter, *listed, start)
            self.world.machine.send(self.world.owner.address, self.world.registry, "registerPriceList", *arguments)
            history.windows.append((start, value))

    def _price_list(self, adapter: Bytes32) -> PriceList:
        most = self.draw.choice([3 * OPEN, 10, self.dearest])
        prices = [self.draw.choice([0, self.draw.randrange(most)]) for _ in range(3)]
        least = self.draw.choice([1, 10**13, self.draw.randrange(1, 10**18)])
        payee = self.world.owner.address if adapter == ZERO_BYTES32 else key("operator payee").address
        return PriceList(self.world.vault.address, adapter, *prices, least, payee, 100_000)

    def _term_windows(self, adapter: Bytes32, links: int) -> None:
        history = self.terms[adapter] = History()
        made = [self._terms(adapter, links), self._terms(adapter, min(links, 3))]
        made.append(made[0])
        for value, start in zip(made, self._starts(len(made)), strict=True):
            self.world.machine.send(value.owner, self.world.assets, "registerTerms", value.abi_tuple(), start)
            history.windows.append((start, value))

    def _terms(self, adapter: Bytes32, count: int) -> Terms:
        draw = self.draw
        chosen = sorted(draw.sample(self.datanets, count), key=lambda link: link.datanet_id)
        cuts = sorted(draw.sample(range(1, 1_000_000), count - 1)) if count > 1 else []
        parts = [high - low for low, high in zip([0, *cuts], [*cuts, 1_000_000], strict=True)]
        links = tuple(replace(link, ppm=part) for link, part in zip(chosen, parts, strict=False))
        royalty = draw.choice([0, draw.randrange(1, 400_000)])
        data = draw.choice([1, draw.randrange(1, 400_000)]) if links else 0
        return Terms(adapter, self.owner_of(self.adapter_number(adapter)), royalty, data, 0, ZERO_BYTES32, links)

    def adapter_number(self, adapter: Bytes32) -> int:
        """The position of a published adapter."""
        return self.adapters.index(adapter)

    def _starts(self, count: int) -> list[int]:
        """The starts of windows: the first begins at once, the others within the span of the market."""
        later = sorted(self.draw.sample(range(self.start + NOTICE_S, self.start + SPAN_S), count - 1))
        return [self.world.machine.now, *later]
