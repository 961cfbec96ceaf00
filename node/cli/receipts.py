"""`receipts`: list a node's receipts, and verify one without trusting the node."""

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
def verify(context: typer.Context, receipt_id: ReceiptId, node: NodeUrl = None) -> None:
    """Verify a receipt: its signature, its price and split against the chain's registries, and its place in a batch."""
    from node.cli.receipt_checks import examine

    shared = context_of(context)
    checks = examine(shared, receipt_id, node)
    if shared.as_json:
        shared.emit([{"check": check.name, "verdict": check.verdict, "detail": check.detail} for check in checks])
    else:
        for check in checks:
            shared.console.print(f"{check.verdict:<8} {check.name}: {check.detail}")
    failed = [check.name for check in checks if check.verdict == "WRONG"]
    if failed:
        raise VerificationFailure(f"The receipt is wrong: {', '.join(failed)}.", "do not pay this node again")


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
