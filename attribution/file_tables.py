"""The tables of a receipts file: each channel, voucher, price list and terms once, and how receipts refer to them."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from attribution.batch import Item
from attribution.transition import Evidence, Registered
from contracts.crypto import ZERO_BYTES32, Address, Bytes32, to_address
from contracts.eip712 import Domain, Struct, parse_bytes32, parse_uint
from contracts.encoding import BASE_KEY, to_hex
from contracts.structs import InferenceRequest, PriceList, Terms, UsageReceipt, openlora_domain
from contracts.x402 import ChannelConfig

V = TypeVar("V")
_S = TypeVar("_S", bound=Struct)
_ALWAYS = 0
"""The start of a window in a file of version 1, which does not say when a registration came into force."""


def canonical(document: Mapping[str, object]) -> bytes:
    """The canonical bytes of a JSON object: sorted keys, no spaces, ASCII."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def receipt_row(item: Item, root: Bytes32, signature: bytes | None) -> dict[str, Any]:
    """One member of `receipts`. signature: the node's; None leaves the field out, as version 1 does."""
    request, consent = item.evidence.request, item.evidence.request_signature
    row: dict[str, Any] = {
        "receipt": item.receipt.to_json(),
        "stateRoot": to_hex(root),
        "request": request.to_json() if request else None,
        "requestSignature": to_hex(consent) if consent is not None else None,
    }
    return row if signature is None else row | {"signature": to_hex(signature)}


def tables(items: Sequence[Item], chain_id: int, *, windowed: bool) -> dict[str, object]:
    """The tables that these receipts need, sorted by hash and start. windowed: with the windows of registrations."""
    configs = {item.receipt.channel_id: item.evidence.config for item in items}
    prices = (item.evidence.price_list for item in items)
    terms = (item.evidence.terms for item in items if item.evidence.terms is not None)
    made: dict[str, object] = {
        "channels": [config.to_json() for _, config in sorted(_by_id(configs.values(), chain_id).items())],
        "priceLists": _registered_rows(prices, "list", windowed=windowed),
        "terms": _registered_rows(terms, "terms", windowed=windowed),
        "vouchers": _voucher_rows(items),
    }
    return made | {"withoutTerms": _without_terms(items)} if windowed else made


def operator_rows(windows: Sequence[Registered[Address]]) -> list[dict[str, Any]]:
    """The table `operators`."""
    return [{"operator": window.value} | _span(window) for window in windows]


def operators(rows: Any) -> tuple[Registered[Address], ...]:
    """The inverse of `operator_rows`. ValueError unless they are sorted by start."""
    found = tuple(_window(members(row), to_address(members(row)["operator"])) for row in rows)
    if list(found) != sorted(set(found), key=lambda window: (window.from_, window.value)):
        raise ValueError("operators are not sorted by start")
    return found


@dataclass(frozen=True, slots=True)
class Tables:
    """The parsed tables of one file."""

    domain: Domain
    channels: Mapping[Bytes32, ChannelConfig]
    vouchers: Mapping[tuple[Bytes32, int], bytes]
    price_lists: Mapping[Bytes32, Sequence[Registered[PriceList]]]
    terms: Mapping[Bytes32, Sequence[Registered[Terms]]]
    terms_from: Mapping[Bytes32, int | None]

    @classmethod
    def parse(cls, document: Mapping[str, Any], *, windowed: bool) -> "Tables":
        """The tables of a document. KeyError, TypeError or ValueError for what is missing or malformed."""
        chain_id = parse_uint(document["chainId"], 256)
        configs = [ChannelConfig.from_json(channel) for channel in document["channels"]]
        without = [members(row) for row in document["withoutTerms"]] if windowed else []
        return cls(
            domain=openlora_domain(chain_id, to_address(document["settlement"])),
            channels=_by_id(configs, chain_id),
            vouchers=dict(_voucher(members(row)) for row in document["vouchers"]),
            price_lists=_registered(document["priceLists"], PriceList, "list", windowed=windowed),
            terms=_registered(document["terms"], Terms, "terms", windowed=windowed),
            terms_from={word(row["adapterKey"]): _until(row) for row in without},
        )

    def evidence(self, receipt: UsageReceipt, row: Mapping[str, Any]) -> Evidence:
        """What judges a receipt. KeyError if the tables lack something that it names."""
        request, signature = row["request"], row["requestSignature"]
        unbound = receipt.terms_hash == ZERO_BYTES32
        return Evidence(
            config=self.channels[receipt.channel_id],
            voucher_signature=self.vouchers[receipt.channel_id, receipt.voucher_max],
            price_list=_in_force(self.price_lists[receipt.price_hash], receipt.started_at),
            terms=None if unbound else _in_force(self.terms[receipt.terms_hash], receipt.started_at),
            terms_from=self.terms_from.get(receipt.adapter_key) if unbound else None,
            request=InferenceRequest.from_json(request) if request is not None else None,
            request_signature=unhex(signature) if signature is not None else None,
        )


def members(value: Any) -> Mapping[str, Any]:
    """A JSON object; TypeError for anything else."""
    if not isinstance(value, dict):
        raise TypeError("expected a JSON object")
    return value


def word(text: str) -> Bytes32:
    """32 bytes from 0x hex."""
    return parse_bytes32(text)


def unhex(text: str) -> bytes:
    """Bytes from 0x and lower-case hex digits; ValueError otherwise."""
    if not re.fullmatch(r"0x([0-9a-f]{2})*", text):
        raise ValueError(f"expected lower-case hex bytes, got {text[:80]!r}")
    return bytes.fromhex(text[2:])


def _by_id(configs: Iterable[ChannelConfig], chain_id: int) -> dict[Bytes32, ChannelConfig]:
    return {config.channel_id(chain_id): config for config in configs}


def _registered_rows(windows: Iterable[Registered[_S]], name: str, *, windowed: bool) -> list[dict[str, Any]]:
    """Each registration once, sorted by hash and start. Of two ends for one start the earlier one counts."""
    found: dict[tuple[Bytes32, int], Registered[_S]] = {}
    for window in sorted(set(windows), key=lambda window: (window.until is not None, -(window.until or 0))):
        found[window.value.struct_hash(), window.from_] = window
    rows = [window for _, window in sorted(found.items(), key=lambda pair: pair[0])]
    return [{name: row.value.to_json()} | _span(row) if windowed else row.value.to_json() for row in rows]


def _registered(rows: Any, kind: type[_S], name: str, *, windowed: bool) -> dict[Bytes32, list[Registered[_S]]]:
    found: dict[Bytes32, list[Registered[_S]]] = {}
    for row in rows:
        value = kind.from_json(members(row)[name] if windowed else row)
        window = _window(row, value) if windowed else Registered(value, _ALWAYS)
        found.setdefault(value.struct_hash(), []).append(window)
    return found


def _in_force(windows: Sequence[Registered[_S]], at: int) -> Registered[_S]:
    """The window that holds `at`; the first one if none does, so that a rule can refuse it."""
    return next((window for window in windows if window.holds(at)), windows[0])


def _without_terms(items: Iterable[Item]) -> list[dict[str, Any]]:
    """When the first terms of each adapter came into force whose receipts name none. The base model has no terms."""
    found = {
        item.receipt.adapter_key: item.evidence.terms_from
        for item in items
        if item.receipt.terms_hash == ZERO_BYTES32 and item.receipt.adapter_key != BASE_KEY
    }
    return [{"adapterKey": to_hex(key), "until": _time(until)} for key, until in sorted(found.items())]


def _voucher_rows(items: Iterable[Item]) -> list[dict[str, str]]:
    found = {(item.receipt.channel_id, item.receipt.voucher_max): item.evidence.voucher_signature for item in items}
    return [
        {"channelId": to_hex(channel_id), "maxClaimableAmount": str(maximum), "signature": to_hex(signature)}
        for (channel_id, maximum), signature in sorted(found.items())
    ]


def _voucher(row: Mapping[str, Any]) -> tuple[tuple[Bytes32, int], bytes]:
    return (word(row["channelId"]), parse_uint(row["maxClaimableAmount"], 128)), unhex(row["signature"])


def _span(window: Registered[Any]) -> dict[str, str | None]:
    return {"from": str(window.from_), "until": _time(window.until)}


def _window(row: Mapping[str, Any], value: V) -> Registered[V]:
    return Registered(value, parse_uint(row["from"], 64), _until(row))


def _until(row: Mapping[str, Any]) -> int | None:
    until = row["until"]
    return None if until is None else parse_uint(until, 64)


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else str(seconds)
