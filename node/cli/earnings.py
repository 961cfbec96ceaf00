"""`earnings` and `claim`: show what an account earned through a node, and pay it out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer
from rich.table import Table

from node.cli.context import Context, context_of
from node.cli.failures import FundsFailure, UsageFailure
from node.cli.money import amount
from node.cli.options import NodeUrl

if TYPE_CHECKING:
    from contracts.crypto import Address
    from node.settlement.claims import ClaimPlan

Account = Annotated[
    str | None, typer.Option(help="The earning account: a name in this home or an address. Default: payer.")
]
_QUERY = {"day": "bucket=day", "adapter": "group_by=adapter", "datanet": "group_by=datanet"}


def earnings(
    context: typer.Context,
    *,
    account: Account = None,
    by: Annotated[
        Literal["day", "adapter", "datanet"] | None, typer.Option(help="Split the sum by day, adapter or Datanet.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write the rows as CSV.")] = False,
    node: NodeUrl = None,
) -> None:
    """Show what an account earned: accrued, posted, claimable and claimed."""
    from node.cli.remote import ask, fetch, public_url

    shared = context_of(context)
    address = _address(shared, account)
    url, query = public_url(shared, node), f"?{_QUERY[by]}" if by else ""
    if csv:
        shared.write(fetch(url, f"/contributors/{address}/export.csv{query}").decode())
        return
    found = ask(url, "GET", f"/contributors/{address}/earnings{query}")
    if shared.as_json:
        shared.emit(found)
        return
    table = Table("", "OPEN", box=None, pad_edge=False, show_header=False)
    for name, total in cast(dict[str, str], found["totals"]).items():
        table.add_row(name, amount(total))
    for row in cast(list[dict[str, object]], found["series"]) if by else []:
        what = row["day"] or row["adapter"] or row["datanetId"] or row["role"]
        table.add_row(f"  {what}", amount(row["amount"]))
    shared.console.print(address)
    shared.console.print(table)


def claim(
    context: typer.Context,
    *,
    account: Account = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be paid, and send nothing.")] = False,
    node: NodeUrl = None,
    mirror: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Make the proofs from this mirror's files, without the node.")
    ] = None,
    shown: Annotated[
        bool, typer.Option("--shown", help="Claim what answers to demands showed on the chain, without the node.")
    ] = False,
) -> None:
    """Pay out everything that an account may claim. The account pays the gas; the contracts check every proof.

    With --mirror every node that is mirrored in DIR is claimed from.
    """
    shared = context_of(context)
    address = _address(shared, account)
    if shown:
        plan = _shown_plan(shared, address)
    else:
        plan = _plan(shared, address, node) if mirror is None else _mirrored_plan(shared, address, mirror)
    if not plan.entries:
        raise FundsFailure(
            f"{address} can claim nothing now.",
            "run `settle now --wait`: it posts receipts and makes earnings claimable",
        )
    if dry_run:
        result: dict[str, object] = {"address": address, "amount": str(plan.amount), "transactions": []}
    else:
        result = _send(shared, account, plan)
    if shared.as_json:
        shared.emit(result)
    else:
        shared.console.print(f"{'would pay' if dry_run else 'paid'} {amount(result['amount'])} to {address}")
        for transaction in cast(list[str], result["transactions"]):
            shared.console.print(f"  transaction {transaction}")


def _plan(shared: Context, address: "Address", node: str | None) -> "ClaimPlan":
    from node.cli.remote import ask, public_url
    from node.settlement.claims import ClaimPlan

    return ClaimPlan.from_json(ask(public_url(shared, node), "GET", f"/contributors/{address}/claims"))


def _mirrored_plan(shared: Context, address: "Address", mirror: Path) -> "ClaimPlan":
    """The claims on all mirrored nodes. Notes on stderr which lists of contributors the mirror lacks."""
    import asyncio

    from node.cli.chain_connection import connect
    from node.settlement.claims import ClaimPlan
    from node.watch.mirrored_claims import mirrored_claims
    from node.watch.registries import Registries
    from node.watch.source import MirrorFolder

    folders = [MirrorFolder(path.parent) for path in sorted(mirror.glob("0x*/node.json"))]
    if not folders:
        raise UsageFailure(f"{mirror} mirrors no node.", f"copy one first: receipts mirror URL {mirror}")

    async def work() -> "ClaimPlan":
        registries = Registries(*await connect(shared))
        found = [await mirrored_claims(folder, registries, address) for folder in folders]
        for datanet_id, version in [unknown for _, earning in found for unknown in earning.unknown]:
            shared.errors.print(f"no contributors of Datanet 0x{datanet_id.hex()} version {version} in {mirror}")
        return ClaimPlan(address, tuple(entry for plan, _ in found for entry in plan.entries))

    return asyncio.run(work())


def _shown_plan(shared: Context, address: "Address") -> "ClaimPlan":
    import asyncio

    from node.cli.chain_connection import connect
    from node.watch.registries import Registries
    from node.watch.shown_claims import shown_claims

    async def work() -> "ClaimPlan":
        return await shown_claims(Registries(*await connect(shared)), address)

    return asyncio.run(work())


def _send(shared: Context, account: str | None, plan: "ClaimPlan") -> dict[str, object]:
    """Sends the claims. The amount paid is read from the token contract."""
    import asyncio

    from node.chain.contracts import TokenContract
    from node.cli.chain_connection import connect
    from node.cli.signers import signer
    from node.settlement.direct_sending import send_calls

    async def work() -> dict[str, object]:
        client, deployment = await connect(shared)
        token = TokenContract(client, deployment.open_token)
        settings = shared.settings(account=account)
        key, cap = signer(shared, settings.account), settings.max_fee_cap
        before = await token.balance_of(plan.address)
        mined = await send_calls(client, key, plan.calls(client, deployment.settlement), max_fee_cap=cap)
        paid = await token.balance_of(plan.address) - before
        hashes = ["0x" + inclusion.transaction_hash.hex() for inclusion in mined]
        return {"address": plan.address, "amount": str(paid), "transactions": hashes}

    with shared.errors.status("Claiming"):
        return asyncio.run(work())


def _address(shared: Context, account: str | None) -> "Address":
    from node.cli.signers import address_of

    return address_of(shared, shared.settings(account=account).account)
