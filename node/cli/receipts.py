"""`receipts`: list a node's receipts, and verify one without trusting the node."""

import re
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.table import Table

from node.cli.context import context_of
from node.cli.failures import VerificationFailure
from node.cli.money import amount
from node.cli.options import NodeUrl, PageSize

app = typer.Typer(help="List, show, verify and export receipts.", no_args_is_help=True)
Payer = Annotated[
    str | None, typer.Option("--account", help="List only this payer's receipts: an account name or an address.")
]
_RECEIPT_ID = re.compile(r"0x[0-9a-fA-F]{64}")
ReceiptId = Annotated[str, typer.Argument(metavar="ID", help="The receipt's id: 0x and 64 hex digits.")]


@app.command("list")
def list_(
    context: typer.Context,
    *,
    account: Payer = None,
    limit: PageSize = 20,
    node: NodeUrl = None,
) -> None:
    """List the newest receipts of a node."""
    from node.cli.remote import ask, public_url

    shared = context_of(context)
    page = ask(
        public_url(shared, node), "GET", f"/receipts?limit={limit}{_payer_query(_payer_address(context, account))}"
    )
    found = cast(list[dict[str, object]], page["data"])
    if shared.as_json:
        shared.emit(page)
        return
    table = Table("finished", "seq", "tokens", "fee", "id", box=None, pad_edge=False)
    for row in found:
        receipt = cast(dict[str, str], row["receipt"])
        tokens = f"{int(receipt['tokensIn']) + int(receipt['tokensCached'])}+{receipt['tokensOut']}"
        table.add_row(str(row["finishedAt"]), receipt["seq"], tokens, amount(receipt["fee"]), str(row["id"]))
    shared.console.print(table)
    if "kept" in page:
        shared.console.print(f"This node keeps its newest {page['kept']} receipts (setting free_receipts).")


@app.command()
def show(context: typer.Context, receipt_id: ReceiptId, node: NodeUrl = None) -> None:
    """Print one receipt and how its fee is split."""
    from node.cli.remote import ask, public_url

    shared = context_of(context)
    shared.emit(ask(public_url(shared, node), "GET", f"/receipts/{receipt_id}"))


@app.command()
def verify(
    context: typer.Context,
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="ID | FILE…", help="A receipt's id; or batch files, a receipt, its proof, a node's card."
        ),
    ],
    *,
    node: NodeUrl = None,
    chain_rpc: Annotated[
        str | None, typer.Option(metavar="URL", help="Compare files with this chain too.", show_default=False)
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--from", metavar="CHECKPOINT", help="Start from this state, not from epoch 1.")
    ] = None,
    write_checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the state after the last file.")
    ] = None,
) -> None:
    """Verify receipts without trusting a node.

    With an ID: its signature, its price and split against the chain's registries, and its place in a batch. With FILES,
    and without a network: every rule of every receipt, from epoch 1 on.
    """
    from node.cli.ledger_checks import Start, examine_files, examine_id

    shared = context_of(context)
    if chain_rpc is not None:
        shared.flags["chain_rpc"] = chain_rpc
    if len(what) == 1 and _RECEIPT_ID.fullmatch(what[0]):
        checks = examine_id(shared, what[0], node)
    else:
        checks = examine_files(shared, [Path(one) for one in what], Start(checkpoint, write_checkpoint))
    if shared.as_json:
        shared.emit([{"check": check.name, "verdict": check.verdict, "detail": check.detail} for check in checks])
    else:
        for check in checks:
            shared.console.print(f"{check.verdict:<8} {check.name}: {check.detail}")
    failed = [check.name for check in checks if check.verdict == "WRONG"]
    if failed:
        raise VerificationFailure(f"The receipts are wrong: {', '.join(failed)}.", "do not pay this node again")


@app.command()
def mirror(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="The node's public URL.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the copies are kept, in a folder per vault.")],
) -> None:
    """Copy a node's batch files and contributor lists, and verify them. Run it again to fetch what is new."""
    from node.watch.mirror import mirror as copy
    from node.watch.source import HttpNode

    shared = context_of(context)
    with shared.errors.status(f"Mirroring into {folder}"):
        done = copy(HttpNode(url), folder)
    missing = [{"datanetId": f"0x{datanet_id.hex()}", "version": version} for datanet_id, version in done.missing]
    if shared.as_json:
        shared.emit(
            {
                "node": done.card.node,
                "folder": str(done.folder),
                "fetched": done.fetched,
                "lastEpoch": done.last_epoch,
                "missingContributors": missing,
                "findings": [finding.to_json() for finding in done.findings],
            }
        )
    else:
        shared.console.print(f"{len(done.fetched)} new batches in {done.folder}, the last epoch is {done.last_epoch}")
        for one in missing:
            shared.console.print(f"no contributors of Datanet {one['datanetId']} version {one['version']}")
        for finding in done.findings:
            shared.console.print(f"WRONG    {finding}")
    if done.findings:
        raise VerificationFailure(
            "The node's files are wrong.", f"the copies in {done.folder} show it; see `audit node`"
        )


@app.command()
def export(context: typer.Context, *, account: Payer = None, node: NodeUrl = None) -> None:
    """Write all receipts as JSON lines, newest first."""
    import json

    from node.cli.remote import ask, public_url

    shared = context_of(context)
    url, query = public_url(shared, node), _payer_query(_payer_address(context, account))
    cursor: object = ""
    while cursor is not None:
        page = ask(url, "GET", f"/receipts?limit=100{query}" + (f"&cursor={cursor}" if cursor else ""))
        for receipt in cast(list[dict[str, object]], page["data"]):
            shared.write(json.dumps(receipt, separators=(",", ":")) + "\n")
        cursor = page["next"]


def _payer_address(context: typer.Context, account: str | None) -> str | None:
    from node.cli.signers import address_of

    return address_of(context_of(context), account) if account else None


def _payer_query(address: str | None) -> str:
    return f"&payer={address}" if address else ""
