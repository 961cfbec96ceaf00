"""`receipts verify FILE…`: replays a ledger's batch files, and a receipt with its file or proof, without a node."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from attribution import checkpoint
from attribution.batch import ChainTip
from attribution.checkpoint import InvalidCheckpoint
from attribution.findings import Finding
from attribution.receipt_proof import ReceiptProof
from attribution.receipts_file import ReceiptsFile
from attribution.replay import Replay, ledger_of
from contracts.encoding import to_hex
from contracts.structs import BatchHeader
from node.cli.chain_connection import connect
from node.cli.context import Context
from node.cli.failures import ConfigurationFailure, Failure, UsageFailure, VerificationFailure
from node.cli.receipt_checks import ReceiptCheck, Sources, examine
from node.cli.receipt_documents import Given, read_documents
from node.cli.remote import ask, public_url
from node.client.errors import Malformed
from node.client.receipt import SignedReceipt
from node.watch.registries import Registries
from node.watch.source import Card


@dataclass(frozen=True, slots=True)
class Start:
    """Where a replay starts: a checkpoint file, else the first batch. written: where to write the next checkpoint."""

    checkpoint: Path | None = None
    written: Path | None = None


def examine_id(context: Context, receipt_id: str, node: str | None) -> list[ReceiptCheck]:
    """All checks of one receipt of a node. Raises ConfigurationFailure or UsageFailure if it cannot be fetched."""
    url = public_url(context, node)
    signed = SignedReceipt.parse(ask(url, "GET", f"/receipts/{receipt_id}"))
    card = Card.parse(ask(url, "GET", "/nodes/me"))
    proof = _proof(url, signed) if signed.receipt.seq else None

    async def work() -> list[ReceiptCheck]:
        registries = await registries_of(context) if card.domain.chain_id else None
        return await examine(signed, Sources(registries, proof=proof, card=card))

    return asyncio.run(work())


def batch_of(context: Context, receipt_id: str, node: str | None) -> int | None:
    """The epoch of the posted batch that holds a receipt; None if it is in none yet."""
    url = public_url(context, node)
    signed = SignedReceipt.parse(ask(url, "GET", f"/receipts/{receipt_id}"))
    proof = _proof(url, signed) if signed.receipt.seq else None
    return proof.header.epoch if proof else None


def examine_files(context: Context, paths: Sequence[Path], start: Start) -> list[ReceiptCheck]:
    """All checks of the given files. The chain is asked only if a chain is configured, by --chain-rpc or a setting."""
    given = read_documents(paths)
    settings = context.settings()

    async def work() -> list[ReceiptCheck]:
        registries = Registries(*await connect(context)) if settings.chain_rpc else None
        checks = await _ledger(given.batches, start, registries)
        for signed in given.receipts:
            checks += await examine(signed, _sources(signed, given, registries))
        return checks

    if not given.batches and not given.receipts:
        raise UsageFailure("Neither a batch file nor a receipt was given.", "give one of them")
    return asyncio.run(work())


async def registries_of(context: Context) -> Registries | None:
    """The registries of the configured chain; None if no chain is configured."""
    with suppress(ConfigurationFailure):
        return Registries(*await connect(context))
    return None


async def _ledger(files: Sequence[ReceiptsFile], start: Start, registries: Registries | None) -> list[ReceiptCheck]:
    """One check per file. Stops at the first file that is wrong: what follows it starts from nothing that is known."""
    if not files:
        return []
    replay, last = replay_from(files[0], start)
    checks = list[ReceiptCheck]()
    if registries is not None and last is not None and not await registries.is_posted(last):
        return [ReceiptCheck("checkpoint", "WRONG", f"the chain does not hold header {to_hex(last.struct_hash())}")]
    for file in files:
        findings = await asyncio.to_thread(replay.add, file)
        if registries is not None and not findings:
            findings = await registries.contradictions(file)
        if findings:
            return [*checks, ReceiptCheck(f"epoch {file.header.epoch}", "WRONG", _listed(findings))]
        checks.append(ReceiptCheck(f"epoch {file.header.epoch}", "ok", _passed(file, registries)))
    if start.written is not None:
        start.written.write_bytes(checkpoint.encode(files[-1].header, replay.tip))
    return checks


def replay_from(first: ReceiptsFile, start: Start) -> tuple[Replay, BatchHeader | None]:
    """A replay that file `first` continues, and the header that it starts after, if that is known."""
    if start.checkpoint is None:
        if first.header.epoch != 1:
            raise UsageFailure(
                f"The first file is of epoch {first.header.epoch}: nothing says which state it starts from.",
                "give every file from epoch 1 on, or the state after the epoch before it with --from CHECKPOINT",
            )
        return Replay(ledger_of(first)), None
    try:
        header, tip = checkpoint.decode(start.checkpoint.read_bytes())
    except OSError as error:
        raise UsageFailure(f"{start.checkpoint} cannot be read: {error.strerror}.", "give another file") from error
    except InvalidCheckpoint as error:
        raise VerificationFailure(f"{start.checkpoint}: {error}", "make it again from the batch files") from error
    return Replay(tip.state.ledger, [ChainTip.after(header, tip.state)]), header


def _listed(findings: Sequence[Finding]) -> str:
    first, more = findings[0], len(findings) - 1
    return str(first) + (f" (and {more} more)" if more else "")


def _passed(file: ReceiptsFile, registries: Registries | None) -> str:
    header = file.header
    last = header.from_seq + header.count - 1
    signed = "signed by the operator" if file.operators else "version 1: without signatures and windows"
    chain = ", as posted and registered on the chain" if registries is not None else ""
    total = f"total {header.cum_total}, header {to_hex(header.struct_hash())}"
    return f"receipts {header.from_seq} to {last}, {signed}, {total}{chain}"


def _sources(signed: SignedReceipt, given: Given, registries: Registries | None) -> Sources:
    """What was given for this receipt."""
    receipt = signed.receipt
    held = [file for file in given.batches if _holds(file.header, signed)]
    proof = next((one for one in given.proofs if one.receipt.struct_hash() == receipt.struct_hash()), None)
    first_proof = given.proofs[0] if given.proofs else None
    return Sources(registries, held[0] if held else None, proof or first_proof, given.card)


def _holds(header: BatchHeader, signed: SignedReceipt) -> bool:
    return header.node == signed.receipt.node and 0 <= signed.receipt.seq - header.from_seq < header.count


def _proof(url: str, signed: SignedReceipt) -> ReceiptProof | None:
    """The proof of a receipt; None while it is in no posted batch."""
    try:
        return ReceiptProof.parse(ask(url, "GET", f"/receipts/0x{signed.id.hex()}/proof"), Malformed)
    except Failure as error:
        if error.code == "not_found":
            return None
        raise
