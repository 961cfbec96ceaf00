"""What `receipts verify` can be given: batch files, a receipt, a node's answer that carries one, its proof, a card."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from attribution.batch import receipt_leaf
from attribution.merkle import verify_path
from attribution.receipts_file import InvalidReceiptsFile, ReceiptsFile
from contracts.crypto import Bytes32
from contracts.document import Document, parse_json
from contracts.structs import BatchHeader, UsageReceipt
from node.cli.failures import UsageFailure, VerificationFailure
from node.client.errors import Malformed, ReceiptRefused
from node.client.receipt import SignedReceipt
from node.watch.source import MAX_FILE_BYTES, Card, SourceMalformed


@dataclass(frozen=True, slots=True)
class Proof:
    """GET /receipts/{id}/proof: `receipt` is leaf `index` under the header's `receiptsRoot`."""

    header: BatchHeader
    receipt: UsageReceipt
    index: int
    root_before: Bytes32
    root_after: Bytes32
    path: tuple[Bytes32, ...]

    @classmethod
    def parse(cls, value: object) -> "Proof":
        """Malformed names the member that is missing or wrong."""
        document = Document.of(value, "", Malformed)
        siblings = document.value("path")
        if not isinstance(siblings, list):
            raise Malformed("path", "must be a list")
        path = Document({str(at): sibling for at, sibling in enumerate(siblings)}, "path", Malformed)
        return cls(
            header=document.struct("header", BatchHeader),
            receipt=document.struct("receipt", UsageReceipt),
            index=document.uint("index", 32),
            root_before=document.bytes32("stateRootBefore"),
            root_after=document.bytes32("stateRootAfter"),
            path=tuple(path.bytes32(name) for name in path.members),
        )

    def wrong(self, receipt: UsageReceipt) -> str | None:
        """Why this does not prove that `receipt` has its place in the header's batch; None if it does."""
        header = self.header
        if self.receipt != receipt:
            return "the proof is for another receipt"
        if header.node != receipt.node:
            return f"the header is of vault {header.node}, the receipt of {receipt.node}"
        if header.from_seq + self.index != receipt.seq:
            return f"leaf {self.index} of a batch from {header.from_seq} on is not receipt {receipt.seq}"
        leaf = receipt_leaf(receipt, self.root_before, self.root_after)
        if not verify_path(header.receipts_root, header.count, self.index, leaf, self.path):
            return "the proof does not lead from this receipt to the header's receiptsRoot"
        return None


@dataclass(slots=True)
class Given:
    """The documents of one command line."""

    batches: list[ReceiptsFile] = field(default_factory=list)
    receipts: list[SignedReceipt] = field(default_factory=list)
    proofs: list[Proof] = field(default_factory=list)
    card: Card | None = None


def read_documents(paths: Sequence[Path]) -> Given:
    """Reads every file. UsageFailure for a file that is none of these, VerificationFailure for a broken one."""
    given = Given()
    for path in paths:
        _take(given, path, _content(path))
    given.batches.sort(key=lambda file: file.header.epoch)
    return given


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UsageFailure(f"{path} is larger than {MAX_FILE_BYTES} bytes.", "give the files of single batches")
        return path.read_bytes()
    except OSError as error:
        raise UsageFailure(f"{path} cannot be read: {error.strerror}.", "give a receipt's id or files") from error


def _take(given: Given, path: Path, raw: bytes) -> None:
    try:
        value = parse_json(raw)
    except ValueError as error:
        raise UsageFailure(
            f"{path} is no JSON: {str(error)[:200]}", "give files as a node or a mirror has them"
        ) from error
    document = cast(dict[str, object], value) if isinstance(value, dict) else {}
    try:
        if "receipts" in document and "header" in document:
            given.batches.append(ReceiptsFile.decode(raw))
        elif "path" in document:
            given.proofs.append(Proof.parse(document))
        elif "settlement" in document or document.get("mode") == "free":
            given.card = Card.parse(document)
        elif "signature" in document:
            given.receipts.append(SignedReceipt.parse(document))
        elif "receipt" in document:
            given.receipts.append(SignedReceipt.parse(document["receipt"]))
        else:
            raise UsageFailure(
                f"{path} is neither a batch file, a receipt, a proof nor a node's card.",
                "save GET /batches/EPOCH/receipts, GET /receipts/ID, GET /receipts/ID/proof or GET /nodes/me",
            )
    except (InvalidReceiptsFile, ReceiptRefused, Malformed, SourceMalformed) as error:
        raise VerificationFailure(f"{path}: {error}", "ask the node or a mirror for it again") from error
