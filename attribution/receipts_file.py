"""The public file of a batch: enough to rebuild its header and judge its receipts. It has no prompts and no salts.

Canonical JSON: sorted keys, no spaces, ASCII. It contains every preimage and signature once, and only if a receipt
needs it, so a batch has exactly one encoding. A file is valid iff it rebuilds `receiptsRoot`. docs/protocol.md lists
every field.

Version 2 adds the node's signature on every receipt and the windows of the registrations that judge it. Files of
version 1 can still be read; what they lack is None, or a window that is always open.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from attribution import file_tables, merkle
from attribution.batch import Batch, Item, receipt_leaves
from attribution.transition import Evidence, Registered
from contracts.crypto import Address, Bytes32, recover
from contracts.document import parse_json
from contracts.eip712 import Domain
from contracts.structs import BatchHeader, UsageReceipt

FILE_VERSION = 2
VERSION_WITHOUT_SIGNATURES = 1
READABLE_VERSIONS = (VERSION_WITHOUT_SIGNATURES, FILE_VERSION)


class InvalidReceiptsFile(ValueError):
    """The bytes are not a canonical receipts file, or the file does not rebuild its header's `receiptsRoot`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A receipt, the state root after it, the node's signature over it, and the evidence that judges it.

    signature: None in a file of version 1.
    """

    receipt: UsageReceipt
    root: Bytes32
    signature: bytes | None
    evidence: Evidence

    @property
    def item(self) -> Item:
        """The receipt and its evidence, as a batch is built from."""
        return Item(self.receipt, self.evidence)


@dataclass(frozen=True, slots=True)
class ReceiptsFile:
    """A batch in its published form.

    operators: the keys that signed the receipts, with the windows in which they were valid; none in version 1.
    """

    domain: Domain
    header: BatchHeader
    entries: tuple[Entry, ...]
    operators: tuple[Registered[Address], ...] = ()
    version: int = FILE_VERSION

    @classmethod
    def of(
        cls,
        batch: Batch,
        items: Sequence[Item],
        signatures: Sequence[bytes],
        operators: Sequence[Registered[Address]],
    ) -> "ReceiptsFile":
        """The file of a batch built from `items`. signatures: the node's, over each receipt.

        operators: all operator keys of the node with their windows; the file keeps those that signed.
        """
        closed_at = batch.header.closed_at
        entries = tuple(
            Entry(item.receipt, root, signature, _as_of(closed_at, item.evidence))
            for item, root, signature in zip(items, batch.roots, signatures, strict=True)
        )
        times = {item.receipt.finished_at for item in items}
        signed = [_closed(closed_at, window) for window in operators if any(map(window.holds, times))]
        ordered = tuple(sorted(signed, key=lambda window: (window.from_, window.value)))
        return cls(batch.state.ledger.domain, batch.header, entries, ordered)

    def operator_at(self, at: int) -> Address | None:
        """The operator key in force at `at` (unix seconds) by this file; None if it names none."""
        return next((window.value for window in reversed(self.operators) if window.holds(at)), None)

    def signer_of(self, entry: Entry) -> Address | None:
        """Who signed a receipt of this file; None without a signature. InvalidSignature if no key can have made it."""
        return None if entry.signature is None else recover(entry.receipt.digest(self.domain), entry.signature)

    def rebuilt_root(self) -> Bytes32:
        """The `receiptsRoot` that these receipts and roots give."""
        return merkle.root_of(self.leaves())

    def leaves(self) -> list[Bytes32]:
        """The leaves under `receiptsRoot`."""
        receipts, roots = [entry.receipt for entry in self.entries], [entry.root for entry in self.entries]
        return receipt_leaves(self.header.prev_state_root, receipts, roots)

    def encode(self) -> bytes:
        """The canonical bytes."""
        document: dict[str, object] = {
            "version": self.version,
            "chainId": str(self.domain.chain_id),
            "settlement": self.domain.verifying_contract,
            "header": self.header.to_json(),
            "receipts": [file_tables.receipt_row(entry.item, entry.root, entry.signature) for entry in self.entries],
        }
        windowed = self.version >= FILE_VERSION
        tables = file_tables.tables([entry.item for entry in self.entries], self.domain.chain_id, windowed=windowed)
        if windowed:
            tables["operators"] = file_tables.operator_rows(self.operators)
        return file_tables.canonical(document | tables)

    @classmethod
    def decode(cls, raw: bytes) -> "ReceiptsFile":
        """The file behind `raw`; InvalidReceiptsFile for anything but canonical bytes that rebuild `receiptsRoot`."""
        try:
            file = _parse(parse_json(raw))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidReceiptsFile(f"cannot be read: {type(error).__name__}: {str(error)[:200]}") from error
        if file.encode() != raw:
            raise InvalidReceiptsFile("is not in canonical form")
        if len(file.entries) != file.header.count or file.rebuilt_root() != file.header.receipts_root:
            raise InvalidReceiptsFile("does not rebuild receiptsRoot")
        return file


def _closed(closed_at: int, window: Registered[file_tables.V]) -> Registered[file_tables.V]:
    """The window as a file of a batch closed at `closed_at` shows it: an end after that time is not known yet."""
    ended = window.until is not None and window.until <= closed_at
    return window if ended else replace(window, until=None)


def _as_of(closed_at: int, evidence: Evidence) -> Evidence:
    """The evidence as the file shows it, which later registrations do not change."""
    terms, terms_from = evidence.terms, evidence.terms_from
    return replace(
        evidence,
        price_list=_closed(closed_at, evidence.price_list),
        terms=_closed(closed_at, terms) if terms is not None else None,
        terms_from=terms_from if terms is None and terms_from is not None and terms_from <= closed_at else None,
    )


def _parse(value: object) -> ReceiptsFile:
    document = file_tables.members(value)
    version = document["version"]
    if version not in READABLE_VERSIONS or isinstance(version, bool):
        raise ValueError(f"version {str(version)[:20]} is unknown")
    windowed = version >= FILE_VERSION
    tables = file_tables.Tables.parse(document, windowed=windowed)
    entries = []
    for each in document["receipts"]:
        row = file_tables.members(each)
        receipt = UsageReceipt.from_json(row["receipt"])
        signature = file_tables.unhex(row["signature"]) if windowed else None
        root = file_tables.word(row["stateRoot"])
        entries.append(Entry(receipt, root, signature, tables.evidence(receipt, row)))
    operators = file_tables.operators(document["operators"]) if windowed else ()
    return ReceiptsFile(
        domain=tables.domain,
        header=BatchHeader.from_json(document["header"]),
        entries=tuple(entries),
        operators=operators,
        version=version,
    )
