"""Where a node's public files come from: the node itself over HTTP, or a mirror's folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx2

from contracts.crypto import Address, Bytes32
from contracts.document import Document, parse_json
from contracts.eip712 import Domain
from contracts.structs import NO_CHAIN, openlora_domain
from node.redaction import shown_url
from node.watch.bounded import MAX_FILE_BYTES, UNCOMPRESSED, AnswerUnbounded, read_whole

MAX_ANSWER_BYTES = 4 << 20
_PAGE = 100
_MAX_EPOCHS = 10_000_000


class SourceUnavailable(Exception):
    """A node or a folder cannot give what was asked. The message says what to do."""


class SourceMalformed(Exception):
    """A node answers with something that is not what the protocol says."""

    def __init__(self, member: str, problem: str) -> None:
        super().__init__(f"{member} {problem}")


@dataclass(frozen=True, slots=True)
class Card:
    """The members of GET /nodes/me that receipts are checked with: what the node says about itself."""

    domain: Domain
    node: Address
    operator: Address

    @classmethod
    def parse(cls, value: object) -> "Card":
        """SourceMalformed names the member that is missing or wrong. A free node signs without chain and contract."""
        document = Document.of(value, "", SourceMalformed)
        chain_id = document.uint("chainId")
        domain = openlora_domain(chain_id, document.address("settlement")) if chain_id else NO_CHAIN
        return cls(domain, document.address("node"), document.address("operator"))

    def to_json(self) -> dict[str, object]:
        """As a JSON object that `parse` reads."""
        return {
            "chainId": str(self.domain.chain_id),
            "settlement": self.domain.verifying_contract,
            "node": self.node,
            "operator": self.operator,
        }


@dataclass(frozen=True, slots=True)
class Announced:
    """One batch as a source lists it: its epoch, the hash of its header, and whether it is posted."""

    epoch: int
    header_hash: Bytes32
    posted: bool


class NodeSource(Protocol):
    """Public files of one node. Every method raises SourceUnavailable or SourceMalformed."""

    def card(self) -> Card:
        """Who the node is."""
        ...

    def announced(self, after: int) -> list[Announced]:
        """The batches with an epoch above `after`, oldest first."""
        ...

    def receipts_file(self, epoch: int) -> bytes:
        """The public file of a batch."""
        ...

    def contributors(self, datanet_id: Bytes32, version: int) -> dict[str, object] | None:
        """The contributors of a Datanet version: {datanetId, version, contributors}; None if the node lacks them."""
        ...


class HttpNode:
    """A node's public HTTP API."""

    def __init__(self, url: str, timeout_s: float = 60) -> None:
        self.url, self._timeout_s = url.rstrip("/"), timeout_s

    def card(self) -> Card:
        """As in `NodeSource`."""
        return Card.parse(self._json("/nodes/me"))

    def announced(self, after: int) -> list[Announced]:
        """As in `NodeSource`."""
        found, cursor = list[Announced](), ""
        while len(found) < _MAX_EPOCHS:
            page = Document.of(self._json(f"/batches?limit={_PAGE}{cursor}"), "", SourceMalformed)
            rows = [_announced(row) for row in page.nested_list("data")]
            found += [row for row in rows if row.epoch > after]
            if "next" not in page or not rows or rows[-1].epoch <= after:
                break
            cursor = f"&cursor={page.uint('next', 64)}"
        return sorted(found, key=lambda row: row.epoch)

    def receipts_file(self, epoch: int) -> bytes:
        """As in `NodeSource`."""
        return self._fetch(f"/batches/{epoch}/receipts", MAX_FILE_BYTES)

    def contributors(self, datanet_id: Bytes32, version: int) -> dict[str, object] | None:
        """As in `NodeSource`."""
        try:
            answer = self._json(f"/datanets/0x{datanet_id.hex()}/versions/{version}")
        except SourceUnavailable:
            return None
        document = Document.of(answer, "", SourceMalformed)
        if "contributors" not in document:
            return None
        rows = document.nested_list("contributors")
        members = [{"address": row.address("address"), "weight": str(row.uint("weight", 64))} for row in rows]
        return {"datanetId": "0x" + datanet_id.hex(), "version": version, "contributors": members}

    def _json(self, path: str) -> object:
        try:
            return parse_json(self._fetch(path, MAX_ANSWER_BYTES))
        except ValueError as error:
            raise SourceMalformed(path, f"is no JSON: {str(error)[:100]}") from error

    def _fetch(self, path: str, limit: int) -> bytes:
        """The body, of at most `limit` bytes: a hostile node must not fill the memory."""
        shown = shown_url(self.url)
        try:
            with httpx2.stream("GET", self.url + path, headers=UNCOMPRESSED, timeout=self._timeout_s) as answer:
                if not answer.is_success:
                    raise SourceUnavailable(f"{shown}{path} answered {answer.status_code}: see the node's log")
                return read_whole(answer, limit)
        except AnswerUnbounded as error:
            raise SourceMalformed(path, str(error)) from error
        except httpx2.TransportError as error:
            raise SourceUnavailable(f"{shown} does not answer ({error}): try again, or use a mirror") from error


def _announced(row: Document) -> Announced:
    return Announced(row.uint("epoch", 64), row.bytes32("headerHash"), row.text("status") != "cut")


class MirrorFolder:
    """The folder of one node in a mirror, as `node.watch.mirror` writes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def at(cls, path: Path) -> "MirrorFolder":
        """The folder of the only node that is mirrored in `path`, or `path` itself if it is a node's folder."""
        found = [card.parent for card in path.glob("0x*/node.json")]
        return cls(found[0] if len(found) == 1 else path)

    def card(self) -> Card:
        """As in `NodeSource`."""
        return Card.parse(self._json(self.card_path))

    def announced(self, after: int) -> list[Announced]:
        """As in `NodeSource`; the files' own headers."""
        from attribution.receipts_file import InvalidReceiptsFile, ReceiptsFile

        found = []
        for epoch in sorted(self.epochs()):
            if epoch > after:
                try:
                    header = ReceiptsFile.decode(self.receipts_file(epoch)).header
                except InvalidReceiptsFile as error:
                    raise SourceMalformed(str(self.batch_path(epoch)), str(error)) from error
                found.append(Announced(epoch, header.struct_hash(), posted=True))
        return found

    def receipts_file(self, epoch: int) -> bytes:
        """As in `NodeSource`."""
        return self._read(self.batch_path(epoch))

    def contributors(self, datanet_id: Bytes32, version: int) -> dict[str, object] | None:
        """As in `NodeSource`."""
        path = self.datanets / f"{datanet_id.hex()}-{version}.json"
        value = self._json(path) if path.exists() else None
        return value if isinstance(value, dict) else None

    @property
    def card_path(self) -> Path:
        """The file with the node's card."""
        return self.folder / "node.json"

    @property
    def datanets(self) -> Path:
        """The folder with the lists of contributors."""
        return self.folder / "datanets"

    def batch_path(self, epoch: int) -> Path:
        """The file of a batch."""
        return self.folder / f"batch-{epoch:08}.receipts"

    def epochs(self) -> set[int]:
        """The epochs whose files are here."""
        return {int(path.stem.split("-")[1]) for path in self.folder.glob("batch-????????.receipts")}

    def _json(self, path: Path) -> object:
        try:
            return json.loads(self._read(path))
        except ValueError as error:
            raise SourceMalformed(str(path), f"is no JSON: {str(error)[:100]}") from error

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise SourceUnavailable(f"{path} cannot be read ({error.strerror}): run `receipts mirror`") from error
