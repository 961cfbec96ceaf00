"""The public file of a batch: enough to rebuild its header and judge its receipts. It has no prompts and no salts.

Canonical JSON: sorted keys, no spaces, ASCII. It contains every preimage and signature once, and only if a receipt
needs it, so a batch has exactly one encoding. A file is valid iff it rebuilds `receiptsRoot`.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from attribution import merkle
from attribution.batch import Batch, Item, receipt_leaves
from contracts.crypto import ZERO_BYTES32, Bytes32, to_address
from contracts.document import parse_json
from contracts.eip712 import Domain, Struct, parse_bytes32
from contracts.encoding import to_hex
from contracts.structs import BatchHeader, InferenceRequest, PriceList, Terms, UsageReceipt, openlora_domain
from contracts.x402 import ChannelConfig

FILE_VERSION = 1
S = TypeVar("S", bound=Struct)


class InvalidReceiptsFile(ValueError):
    """The bytes are not a canonical receipts file, or the file does not rebuild its header's `receiptsRoot`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A receipt, the state root after it, and the preimages of its hashes."""

    receipt: UsageReceipt
    root: Bytes32
    config: ChannelConfig
    voucher_signature: bytes
    price_list: PriceList
    terms: Terms | None
    request: InferenceRequest | None
    request_signature: bytes | None


@dataclass(frozen=True, slots=True)
class ReceiptsFile:
    """A batch in its published form."""

    domain: Domain
    header: BatchHeader
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, batch: Batch, items: Sequence[Item]) -> "ReceiptsFile":
        """The file of a batch built from `items`."""
        entries = (_entry(item, root) for item, root in zip(items, batch.roots, strict=True))
        return cls(batch.state.ledger.domain, batch.header, tuple(entries))

    def rebuilt_root(self) -> Bytes32:
        """The `receiptsRoot` that these receipts and roots give."""
        receipts, roots = [entry.receipt for entry in self.entries], [entry.root for entry in self.entries]
        return merkle.root_of(receipt_leaves(self.header.prev_state_root, receipts, roots))

    def encode(self) -> bytes:
        """The canonical bytes."""
        document = {
            "version": FILE_VERSION,
            "chainId": str(self.domain.chain_id),
            "settlement": self.domain.verifying_contract,
            "header": self.header.to_json(),
            "channels": _table((entry.config for entry in self.entries), self._channel_id),
            "priceLists": _table((entry.price_list for entry in self.entries), Struct.struct_hash),
            "terms": _table((entry.terms for entry in self.entries if entry.terms), Struct.struct_hash),
            "vouchers": _vouchers(self.entries),
            "receipts": [_entry_json(entry) for entry in self.entries],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")

    @classmethod
    def decode(cls, raw: bytes) -> "ReceiptsFile":
        """The file behind `raw`; InvalidReceiptsFile for anything but canonical bytes that rebuild `receiptsRoot`."""
        try:
            file = _parse(parse_json(raw))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidReceiptsFile(f"cannot be read: {type(error).__name__}: {error}") from error
        if file.encode() != raw:
            raise InvalidReceiptsFile("is not in canonical form")
        if len(file.entries) != file.header.count or file.rebuilt_root() != file.header.receipts_root:
            raise InvalidReceiptsFile("does not rebuild receiptsRoot")
        return file

    def _channel_id(self, config: ChannelConfig) -> Bytes32:
        return config.channel_id(self.domain.chain_id)


def _entry(item: Item, root: Bytes32) -> Entry:
    evidence = item.evidence
    return Entry(
        receipt=item.receipt,
        root=root,
        config=evidence.config,
        voucher_signature=evidence.voucher_signature,
        price_list=evidence.price_list.value,
        terms=evidence.terms.value if evidence.terms else None,
        request=evidence.request,
        request_signature=evidence.request_signature,
    )


def _table(values: Iterable[S], key: Callable[[S], Bytes32]) -> list[dict[str, Any]]:
    """Each value once, sorted by its hash."""
    return [value.to_json() for _, value in sorted({key(value): value for value in values}.items())]


def _vouchers(entries: Sequence[Entry]) -> list[dict[str, str]]:
    found = {(entry.receipt.channel_id, entry.receipt.voucher_max): entry.voucher_signature for entry in entries}
    return [
        {"channelId": to_hex(channel_id), "maxClaimableAmount": str(maximum), "signature": to_hex(signature)}
        for (channel_id, maximum), signature in sorted(found.items())
    ]


def _entry_json(entry: Entry) -> dict[str, Any]:
    request = entry.request.to_json() if entry.request else None
    signature = to_hex(entry.request_signature) if entry.request_signature is not None else None
    return {
        "receipt": entry.receipt.to_json(),
        "stateRoot": to_hex(entry.root),
        "request": request,
        "requestSignature": signature,
    }


def _parse(document: Any) -> ReceiptsFile:
    if document["version"] != FILE_VERSION:
        raise ValueError(f"version {document['version']!r} is unknown")
    header = BatchHeader.from_json(document["header"])
    chain_id = int(document["chainId"])
    domain = openlora_domain(chain_id, to_address(document["settlement"]))
    configs = [ChannelConfig.from_json(channel) for channel in document["channels"]]
    channels = {config.channel_id(chain_id): config for config in configs}
    price_lists = {value.struct_hash(): value for value in map(PriceList.from_json, document["priceLists"])}
    terms: dict[Bytes32, Terms | None] = {
        value.struct_hash(): value for value in map(Terms.from_json, document["terms"])
    }
    terms[ZERO_BYTES32] = None
    vouchers = {
        (parse_bytes32(voucher["channelId"]), int(voucher["maxClaimableAmount"])): _unhex(voucher["signature"])
        for voucher in document["vouchers"]
    }
    entries = []
    for item in document["receipts"]:
        receipt = UsageReceipt.from_json(item["receipt"])
        entries.append(
            Entry(
                receipt=receipt,
                root=parse_bytes32(item["stateRoot"]),
                config=channels[receipt.channel_id],
                voucher_signature=vouchers[receipt.channel_id, receipt.voucher_max],
                price_list=price_lists[receipt.price_hash],
                terms=terms[receipt.terms_hash],
                request=InferenceRequest.from_json(item["request"]) if item["request"] is not None else None,
                request_signature=_unhex(item["requestSignature"]) if item["requestSignature"] is not None else None,
            )
        )
    return ReceiptsFile(domain, header, tuple(entries))


def _unhex(text: str) -> bytes:
    if not re.fullmatch(r"0x([0-9a-f]{2})*", text):
        raise ValueError(f"expected lower-case hex bytes, got {text[:80]!r}")
    return bytes.fromhex(text[2:])
