"""`receipts`: the receipts of a node, and checking one without trusting it."""

from typing import Annotated, cast

import typer
from rich.table import Table

from node.cli.context import context_of
from node.cli.failures import VerificationFailure
from node.cli.money import amount

app = typer.Typer(help="List, show, verify and export receipts.", no_args_is_help=True)
Node = Annotated[str | None, typer.Option(help="The node's URL.")]
Account = Annotated[str | None, typer.Option(help="Only of this payer: a name or an address.")]
ReceiptId = Annotated[str, typer.Argument(metavar="ID", help="The receipt's id, 0x and 64 hex digits.")]


@app.command("list")
def list_(
    context: typer.Context,
    *,
    account: Account = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    node: Node = None,
) -> None:
    """List the newest receipts."""
    from node.cli.remote import ask, public_url

    shared = context_of(context)
    page = ask(public_url(shared, node), "GET", f"/receipts?limit={limit}{_of(shared_address(context, account))}")
    found = cast(list[dict[str, object]], page["data"])
    if shared.as_json:
        shared.emit(page)
        return
    table = Table("finished", "seq", "tokens", "fee", "id", box=None, pad_edge=False)
    for one in found:
        receipt = cast(dict[str, str], one["receipt"])
        tokens = f"{int(receipt['tokensIn']) + int(receipt['tokensCached'])}+{receipt['tokensOut']}"
        table.add_row(str(one["finishedAt"]), receipt["seq"], tokens, amount(receipt["fee"]), str(one["id"]))
    shared.console.print(table)
    if "kept" in page:
        shared.console.print(f"This node keeps its newest {page['kept']} receipts (setting free_receipts).")


@app.command()
def show(context: typer.Context, receipt_id: ReceiptId, node: Node = None) -> None:
    """Print one receipt with its split."""
    from node.cli.remote import ask, public_url

    shared = context_of(context)
    shared.emit(ask(public_url(shared, node), "GET", f"/receipts/{receipt_id}"))


@app.command()
def verify(context: typer.Context, receipt_id: ReceiptId, node: Node = None) -> None:
    """Check a receipt: signature, price and split by the chain's registries, and its place in a posted batch."""
    from node.cli.receipt_checks import examine

    shared = context_of(context)
    checks = examine(shared, receipt_id, node)
    if shared.as_json:
        shared.emit([{"check": one.name, "verdict": one.verdict, "detail": one.detail} for one in checks])
    else:
        for one in checks:
            shared.console.print(f"{one.verdict:<8} {one.name}: {one.detail}")
    failed = [one.name for one in checks if one.verdict == "WRONG"]
    if failed:
        raise VerificationFailure(f"The receipt is wrong: {', '.join(failed)}.", "do not pay this node any more")


@app.command()
def export(context: typer.Context, *, account: Account = None, node: Node = None) -> None:
    """Write all receipts as JSON lines, newest first."""
    import json

    from node.cli.remote import ask, public_url

    shared = context_of(context)
    url, of = public_url(shared, node), _of(shared_address(context, account))
    cursor: object = ""
    while cursor is not None:
        page = ask(url, "GET", f"/receipts?limit=100{of}" + (f"&cursor={cursor}" if cursor else ""))
        for one in cast(list[dict[str, object]], page["data"]):
            shared.write(json.dumps(one, separators=(",", ":")) + "\n")
        cursor = page["next"]


def shared_address(context: typer.Context, account: str | None) -> str | None:
    from node.cli.signers import address_of

    return address_of(context_of(context), account) if account else None


def _of(address: str | None) -> str:
    return f"&payer={address}" if address else ""
