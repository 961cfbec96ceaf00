"""`audit`: replays what nodes publish, compares it with the chain, and reports every fault."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.context import Context, context_of
from node.cli.failures import UsageFailure, VerificationFailure
from node.cli.options import NodeUrl

if TYPE_CHECKING:
    from attribution.findings import Finding, SignedLeaf
    from node.watch.watched import Watched

app = typer.Typer(help="Replay a node's ledger and report every fault.", no_args_is_help=True)
_ReceiptId = Annotated[str, typer.Argument(metavar="ID", help="The receipt's id.")]
_Epoch = Annotated[int, typer.Argument(metavar="EPOCH", min=1, help="The batch's epoch.")]
_Mirror = Annotated[
    Path | None, typer.Option("--mirror", metavar="DIR", help="Read this folder of a mirror, not the node itself.")
]
SignedReceipts = Annotated[
    Path | None,
    typer.Option("--receipts", metavar="FILE", help="Receipts that you got, as `receipts export` writes them."),
]


@app.command()
def receipt(context: typer.Context, receipt_id: _ReceiptId, node: NodeUrl = None) -> None:
    """Check one receipt, and replay its ledger up to its batch."""
    from node.cli.ledger_checks import batch_of, examine_id

    shared = context_of(context)
    checks = examine_id(shared, receipt_id, node)
    epoch = batch_of(shared, receipt_id, node)
    rows = [{"check": check.name, "verdict": check.verdict, "detail": check.detail} for check in checks]
    watched, findings = _audited(shared, node, None, None, epoch) if epoch else (None, [])
    wrong = [check.name for check in checks if check.verdict == "WRONG"]
    if shared.as_json:
        shared.emit({"checks": rows, "findings": [finding.to_json() for finding in findings]})
    else:
        for check in checks:
            shared.console.print(f"{check.verdict:<8} {check.name}: {check.detail}")
        _show(shared, watched, findings)
    if wrong or findings:
        raise VerificationFailure("The receipt or its ledger is wrong.", "do not pay this node again")


@app.command()
def batch(context: typer.Context, epoch: _Epoch, node: NodeUrl = None, mirror: _Mirror = None) -> None:
    """Replay a node's ledger up to one batch."""
    _audit(context_of(context), node, mirror, None, epoch)


@app.command("node")
def node_(
    context: typer.Context, node: NodeUrl = None, mirror: _Mirror = None, receipts: SignedReceipts = None
) -> None:
    """Replay a node's whole ledger and compare it with the chain."""
    _audit(context_of(context), node, mirror, receipts, None)


def _audit(shared: Context, node: str | None, mirror: Path | None, receipts: Path | None, until: int | None) -> None:
    watched, findings = _audited(shared, node, mirror, receipts, until)
    if shared.as_json:
        shared.emit(
            {
                "epochs": watched.epoch,
                "receipts": watched.receipts,
                "chain": watched.registries is not None,
                "findings": [finding.to_json() for finding in findings],
            }
        )
    else:
        _show(shared, watched, findings)
    if findings:
        raise VerificationFailure("The node's ledger is wrong.", "do not pay this node, and claim what it owes you")
    if until is not None and watched.epoch < until:
        raise UsageFailure(f"The node has posted {watched.epoch} batches.", "give an epoch that is posted")


def _audited(
    shared: Context, node: str | None, mirror: Path | None, receipts: Path | None, until: int | None
) -> "tuple[Watched, list[Finding]]":
    from node.cli.ledger_checks import registries_of
    from node.cli.remote import public_url
    from node.watch.source import HttpNode, MirrorFolder
    from node.watch.watched import Watched

    source = MirrorFolder.at(mirror) if mirror is not None else HttpNode(public_url(shared, node))

    async def work() -> "tuple[Watched, list[Finding]]":
        watched = Watched(source, await registries_of(shared), signed_leaves(receipts))
        return watched, await watched.look(until)

    with shared.errors.status("Replaying the ledger"):
        return asyncio.run(work())


def signed_leaves(path: Path | None) -> "list[SignedLeaf]":
    """The receipts of a file with one receipt a line."""
    from attribution.findings import SignedLeaf
    from contracts.document import parse_json
    from node.client.errors import ReceiptRefused
    from node.client.receipt import SignedReceipt

    if path is None:
        return []
    try:
        parsed = [SignedReceipt.parse(parse_json(line)) for line in path.read_text().splitlines() if line.strip()]
    except OSError as error:
        raise UsageFailure(f"{path} cannot be read: {error.strerror}.", "write it with `receipts export`") from error
    except (ValueError, ReceiptRefused) as error:
        raise UsageFailure(f"{path} has a line that is no receipt: {error}", "use `receipts export`") from error
    return [SignedLeaf(one.receipt, one.signature) for one in parsed]


def _show(shared: Context, watched: "Watched | None", findings: "list[Finding]") -> None:
    if watched is not None:
        against = "and the chain" if watched.registries is not None else "alone: no chain is configured"
        shared.console.print(f"replayed {watched.epoch} batches, {watched.receipts} receipts, by their files {against}")
    for finding in findings:
        shared.console.print(f"WRONG    {finding}")
