"""`gov`: votes of OPEN holders over the protocol's parameters."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from node.cli.context import Context, context_of
from node.cli.failures import UsageFailure
from node.cli.options import NodeUrl

if TYPE_CHECKING:
    from node.governance.session import GovernanceSession

T = TypeVar("T")
app = typer.Typer(help="Vote with OPEN over the protocol's parameters.", no_args_is_help=True)
ProposalId = Annotated[str, typer.Argument(metavar="ID", help="A proposal's id, or its first digits.")]
Voter = Annotated[str | None, typer.Option("--account", help="Who acts: an account in this home. Default: payer.")]
Why = Annotated[str, typer.Option("--why", help="The reason, which is published.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")]


@app.command("list")
def list_(context: typer.Context) -> None:
    """List all proposals, newest first."""
    shared = context_of(context)
    _show(shared, _run(shared, lambda session: session.listed()))


@app.command()
def show(context: typer.Context, proposal_id: ProposalId, *, node: NodeUrl = None) -> None:
    """Show what a proposal changes, what that would have meant for a node's last receipts, and how the vote goes."""
    shared = context_of(context)
    _show(shared, _run(shared, lambda session: session.shown(proposal_id), node=node))


@app.command()
def parameters(context: typer.Context) -> None:
    """List the parameters that votes can change, with their present values."""
    shared = context_of(context)
    _show(shared, _run(shared, lambda session: session.parameters()))


@app.command()
def propose(
    context: typer.Context,
    parameter: Annotated[str, typer.Argument(help="A parameter; `gov parameters` lists them.")],
    values: Annotated[list[str] | None, typer.Argument(metavar="VALUE...", help="Its new value: 12.5%, 3600.")] = None,
    *,
    why: Why = "",
    account: Voter = None,
    dry_run: DryRun = False,
    node: NodeUrl = None,
) -> None:
    """Propose to change a parameter. The change is simulated first: a value out of bounds is refused here."""
    shared = context_of(context)
    _show(
        shared,
        _run(
            shared,
            lambda session: session.propose(parameter, values or [], why, dry_run=dry_run),
            account=account,
            node=node,
        ),
    )


@app.command()
def vote(
    context: typer.Context,
    proposal_id: ProposalId,
    choice: Annotated[Literal["for", "against", "abstain"], typer.Argument(help="The vote.")],
    *,
    why: Why = "",
    account: Voter = None,
    dry_run: DryRun = False,
) -> None:
    """Vote with the votes that were delegated to the account when the vote began."""
    shared = context_of(context)
    _show(
        shared, _run(shared, lambda session: session.vote(proposal_id, choice, why, dry_run=dry_run), account=account)
    )


@app.command()
def execute(context: typer.Context, proposal_id: ProposalId, *, account: Voter = None, dry_run: DryRun = False) -> None:
    """Take the next step of an accepted proposal: queue it in the timelock, or execute it after the delay."""
    shared = context_of(context)
    _show(shared, _run(shared, lambda session: session.execute(proposal_id, dry_run=dry_run), account=account))


@app.command()
def delegate(
    context: typer.Context,
    to: Annotated[str | None, typer.Argument(help="An account or address. Default: the account itself.")] = None,
    *,
    account: Voter = None,
    dry_run: DryRun = False,
) -> None:
    """Give the account's votes to an account. OPEN counts as votes only once it is delegated, also to oneself."""
    from node.cli.signers import address_of

    shared = context_of(context)
    receiver = address_of(shared, to or shared.settings(account=account).account)
    _show(shared, _run(shared, lambda session: session.delegate(receiver, dry_run=dry_run), account=account))


def _run(
    shared: Context,
    work: "Callable[[GovernanceSession], Awaitable[T]]",
    *,
    account: str | None = None,
    node: str | None = None,
) -> T:
    import asyncio

    from node.cli.chain_connection import connect
    from node.cli.gov_receipts import last_items
    from node.cli.signers import signer
    from node.governance.parameters import InvalidChange
    from node.governance.session import GovernanceSession

    async def connected() -> T:
        client, deployment = await connect(shared)
        return await work(
            GovernanceSession(
                client,
                deployment,
                key=lambda: signer(shared, shared.settings(account=account).account),
                last_items=lambda: last_items(shared, node),
                max_fee_cap=shared.settings().max_fee_cap,
            )
        )

    try:
        return asyncio.run(connected())
    except InvalidChange as error:
        raise UsageFailure(str(error), "`gov parameters` and `gov list` show what there is") from error


def _show(shared: Context, document: dict[str, Any]) -> None:
    from node.cli.gov_report import lines_of

    if shared.as_json:
        shared.emit(document)
        return
    for line in lines_of(document):
        shared.console.print(line)
