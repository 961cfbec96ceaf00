"""What `receipts verify` can be given: batch files, a receipt, a node's answer that carries one, its proof, a card."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from attribution.receipt_proof import ReceiptProof
from attribution.receipts_file import InvalidReceiptsFile, ReceiptsFile
from contracts.document import parse_json
from node.cli.failures import UsageFailure, VerificationFailure
from node.client.errors import Malformed, ReceiptRefused
from node.client.receipt import SignedReceipt
from node.watch.bounded import MAX_FILE_BYTES
from node.watch.source import Card, SourceMalformed


@dataclass(slots=True)
class Given:
    """The documents of one command line."""

    batches: list[ReceiptsFile] = field(default_factory=list)
    receipts: list[SignedReceipt] = field(default_factory=list)
    proofs: list[ReceiptProof] = field(default_factory=list)
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
            given.proofs.append(ReceiptProof.parse(document, Malformed))
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
