"""A receipt together with the values behind its hashes, read from the database."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy.orm import Session

from attribution.batch import Item
from attribution.transition import Evidence, Registered
from contracts.crypto import ZERO_BYTES32, Address, Bytes32
from contracts.eip712 import Struct
from contracts.structs import PriceList, Terms
from contracts.x402 import ChannelConfig
from node.chain.registrations import ChainRegistrations
from node.settlement.errors import LedgerBroken
from node.store import channels, preimages, receipts, vouchers
from node.store.receipts import StoredReceipt

_S = TypeVar("_S", bound=Struct)


@dataclass(frozen=True, slots=True)
class Record:
    """One numbered receipt of this node's ledger."""

    stored: StoredReceipt
    config: ChannelConfig
    voucher_signature: bytes
    price_list: PriceList
    terms: Terms | None

    def judged_by(self, registrations: ChainRegistrations) -> Item:
        """The receipt with its evidence. The validity windows are those of the registries now."""
        receipt = self.stored.receipt
        price_list = self._price_window(registrations)
        terms = registrations.terms_at(receipt.adapter_key, receipt.started_at)
        evidence = Evidence(
            config=self.config,
            voucher_signature=self.voucher_signature,
            price_list=_window(self.price_list, price_list),
            terms=_window(self.terms, terms) if self.terms is not None else None,
            terms_from=registrations.terms_from(receipt.adapter_key),
            request=self.stored.request,
            request_signature=self.stored.request_signature,
        )
        return Item(receipt, evidence)

    def supported_by(self, registrations: ChainRegistrations) -> bool:
        """Whether the price list and the terms of the receipt are registered for the time it started at."""
        price_list = self._price_window(registrations)
        terms = registrations.terms_at(self.stored.receipt.adapter_key, self.stored.receipt.started_at)
        same_terms = (terms.value if terms is not None else None) == self.terms
        return price_list is not None and price_list.value == self.price_list and same_terms

    def _price_window(self, registrations: ChainRegistrations) -> Registered[PriceList] | None:
        """The node may have sold by its default prices although the adapter has its own: both are in force."""
        return registrations.price_list_at(self.price_list.adapter_key, self.stored.receipt.started_at)


@dataclass(slots=True)
class RecordReader:
    """Reads records within one database session. Values that receipts share are read once."""

    session: Session
    _structs: dict[Bytes32, Struct] = field(default_factory=dict)
    _configs: dict[Bytes32, ChannelConfig] = field(default_factory=dict)

    def numbered(self, node: Address, from_seq: int, limit: int) -> list[Record]:
        """At most `limit` receipts of a vault from number `from_seq` on. Raises LedgerBroken if one is missing."""
        found = receipts.numbered(self.session, node, from_seq, limit)
        for expected, stored in enumerate(found, start=from_seq):
            if stored.receipt.seq != expected:
                raise LedgerBroken(f"receipt {expected}", "it is missing")
        return [self._record(stored) for stored in found]

    def _record(self, stored: StoredReceipt) -> Record:
        receipt, where = stored.receipt, f"receipt {stored.receipt.seq}"
        voucher = vouchers.find(self.session, receipt.channel_id, receipt.voucher_max)
        if voucher is None:
            raise LedgerBroken(where, "its voucher is missing")
        terms = self._struct(Terms, receipt.terms_hash, where) if receipt.terms_hash != ZERO_BYTES32 else None
        price_list = self._struct(PriceList, receipt.price_hash, where)
        return Record(stored, self._config(receipt.channel_id, where), voucher.signature, price_list, terms)

    def _struct(self, kind: type[_S], struct_hash: Bytes32, where: str) -> _S:
        held = self._structs.get(struct_hash) or preimages.find(self.session, kind, struct_hash)
        if not isinstance(held, kind):
            raise LedgerBroken(where, f"its {kind.__name__} is missing")
        self._structs[struct_hash] = held
        return held

    def _config(self, channel_id: Bytes32, where: str) -> ChannelConfig:
        if channel_id not in self._configs:
            channel = channels.find(self.session, channel_id)
            if channel is None:
                raise LedgerBroken(where, "its channel is missing")
            self._configs[channel_id] = channel.config
        return self._configs[channel_id]


def reading(node: Address, from_seq: int, limit: int) -> Callable[[Session], list[Record]]:
    """A query for `Database.read`: at most `limit` records of a vault from number `from_seq` on."""
    return lambda session: RecordReader(session).numbered(node, from_seq, limit)


def _window(value: _S, registered: Registered[_S] | None) -> Registered[_S]:
    """The registered window of `value`. If another value was in force, an empty window, which every rule rejects."""
    return registered if registered is not None and registered.value == value else Registered(value, 0, 0)
