"""A verified copy of a node's public files: `DIR/<vault>/` holds the node's card, its batches and contributor lists.

A file is written once and never changed. If the node later serves another header for an epoch, the new file is kept
beside the first one as `equivocation-<epoch>-<header hash>.receipts`, because both together are evidence.
"""

import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from attribution.datanets import Contributors, InvalidDatanet
from attribution.findings import Fault, Finding
from attribution.receipts_file import InvalidReceiptsFile, ReceiptsFile
from attribution.replay import Replay, ledger_of
from contracts.crypto import Bytes32, to_address
from contracts.encoding import to_hex
from node.watch.source import Announced, Card, MirrorFolder, NodeSource, SourceMalformed, SourceUnavailable


class MirrorUnusable(Exception):
    """The mirror's folder cannot be used: a file in it is damaged, or it belongs to another node."""


@dataclass(slots=True)
class Mirrored:
    """What one run of a mirror did. fetched: new epochs. findings: what is wrong with the node's files.

    missing: Datanet versions whose contributors the node does not serve.
    """

    card: Card
    folder: Path
    fetched: list[int] = field(default_factory=list)
    last_epoch: int = 0
    findings: list[Finding] = field(default_factory=list)
    missing: list[tuple[Bytes32, int]] = field(default_factory=list)


def mirror(source: NodeSource, root: Path) -> Mirrored:
    """Fetches what is new, verifies everything from epoch 1 on, and writes it. Raises MirrorUnusable for `root`.

    Two runs at once do the same work twice and write the same files.
    """
    card = source.card()
    if card.domain.chain_id == 0:
        raise SourceMalformed("chainId", "is 0: a node without a chain has no batches")
    folder = MirrorFolder(root / card.node)
    done = Mirrored(card, folder.folder)
    _keep_card(folder, card)
    announced = {row.epoch: row for row in source.announced(0) if row.posted}
    replay: Replay | None = None
    for epoch in sorted(folder.epochs() | set(announced)):
        file = _take(source, folder, epoch, announced.get(epoch), done)
        if file is None:
            continue
        replay = replay or Replay(ledger_of(file))
        done.findings += replay.add(file)
        done.last_epoch = max(done.last_epoch, epoch)
        _keep_contributors(source, folder, file, done)
    return done


def _keep_card(folder: MirrorFolder, card: Card) -> None:
    """Writes the card, or compares it with the one of an earlier run. The operator may have been rotated since."""
    try:
        known = folder.card()
    except SourceUnavailable:
        _write_once(folder.card_path, json.dumps(card.to_json(), indent=1).encode())
        return
    except SourceMalformed as error:
        raise MirrorUnusable(f"{folder.card_path}: {error}; delete this file and run again") from error
    if (known.domain, known.node) != (card.domain, card.node):
        raise MirrorUnusable(f"{folder.folder} mirrors a vault on another chain: give another folder")


def _take(
    source: NodeSource, folder: MirrorFolder, epoch: int, announced: Announced | None, done: Mirrored
) -> ReceiptsFile | None:
    """The mirror's file of an epoch, fetched if it is new; None if the node does not give a valid one."""
    path = folder.batch_path(epoch)
    held = _decoded_here(path, folder, epoch) if path.exists() else None
    if held is not None and (announced is None or announced.header_hash == held.header.struct_hash()):
        return held
    assert announced is not None
    fetched = _fetched(source, epoch, announced, done)
    if fetched is None:
        return held
    raw, file = fetched
    if held is None:
        if _write_once(path, raw):
            done.fetched.append(epoch)
            return file
        held = _decoded_here(path, folder, epoch)  # another run was faster
    if held.header != file.header:
        _equivocation(folder, held, raw, file, done)
    return held


def _decoded_here(path: Path, folder: MirrorFolder, epoch: int) -> ReceiptsFile:
    try:
        return ReceiptsFile.decode(folder.receipts_file(epoch))
    except (InvalidReceiptsFile, SourceUnavailable) as error:
        raise MirrorUnusable(f"{path} is damaged ({error}): delete it and run again") from error


def _fetched(source: NodeSource, epoch: int, announced: Announced, done: Mirrored) -> tuple[bytes, ReceiptsFile] | None:
    """The node's file of an epoch, if it is valid and has the header that the node announces."""
    try:
        raw = source.receipts_file(epoch)
        file = ReceiptsFile.decode(raw)
    except (SourceUnavailable, SourceMalformed, InvalidReceiptsFile) as error:
        done.findings.append(Finding(Fault.WITHHELD, epoch, f"the node gives no valid file: {error}"))
        return None
    if file.header.struct_hash() != announced.header_hash or file.header.node != done.card.node:
        detail = f"the node announces header {to_hex(announced.header_hash)}, its file has another one"
        done.findings.append(Finding(Fault.WITHHELD, epoch, detail))
        return None
    return raw, file


def _equivocation(folder: MirrorFolder, held: ReceiptsFile, raw: bytes, file: ReceiptsFile, done: Mirrored) -> None:
    name = f"equivocation-{file.header.epoch:08}-{file.header.struct_hash().hex()}.receipts"
    _write_once(folder.folder / name, raw)
    detail = (
        f"the node gave header {to_hex(held.header.struct_hash())} first and "
        f"{to_hex(file.header.struct_hash())} now; the second file is kept as {name}"
    )
    done.findings.append(Finding(Fault.EQUIVOCATION, file.header.epoch, detail))


def _keep_contributors(source: NodeSource, folder: MirrorFolder, file: ReceiptsFile, done: Mirrored) -> None:
    """Fetches the lists of all Datanet versions that the file's terms pay, so that shares can be claimed from here."""
    terms = {entry.evidence.terms.value for entry in file.entries if entry.evidence.terms is not None}
    for link in sorted({(link.datanet_id, link.version) for one in terms for link in one.datanets}):
        path = folder.datanets / f"{link[0].hex()}-{link[1]}.json"
        if path.exists() or link in done.missing:
            continue
        listed = source.contributors(*link)
        if listed is None or not _well_formed(listed):
            done.missing.append(link)
            continue
        folder.datanets.mkdir(exist_ok=True)
        _write_once(path, json.dumps(listed, indent=1).encode())


def _well_formed(listed: dict[str, object]) -> bool:
    """Whether a list can be one at all. Only the chain knows its root; claims compare them."""
    rows = listed.get("contributors")
    try:
        Contributors.of((to_address(row["address"]), int(row["weight"])) for row in rows)  # type: ignore[attr-defined]
    except (KeyError, TypeError, ValueError, InvalidDatanet):
        return False
    return True


def _write_once(path: Path, content: bytes) -> bool:
    """Writes a new file whole, or nothing if there is one already; then False. It is on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.chmod(partial, 0o644)
        os.link(partial, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(partial)
    return True
