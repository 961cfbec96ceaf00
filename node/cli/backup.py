"""`backup`: copy the node's database while it runs, check a copy, and restore one without signing a number twice."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from node.cli.context import Context, context_of
from node.cli.failures import VerificationFailure
from node.cli.money import amount

if TYPE_CHECKING:
    from node.settlement.ledger_audit import LedgerAudit

app = typer.Typer(help="Back up, check and restore the node's ledger.", no_args_is_help=True)
T = TypeVar("T")

LastSeq = Annotated[
    int | None,
    typer.Option(min=0, help="The number of the newest receipt that this vault signed, as any payer or batch has it."),
]


@app.command()
def create(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="A new file. Default: a dated file in <home>/backups.")] = None,
) -> None:
    """Copy the database to a file, and check the copy. The node may run."""
    from datetime import UTC, datetime

    from node.settlement import restoring

    shared = context_of(context)
    target = file or shared.home / "backups" / f"node-{datetime.now(UTC):%Y%m%d-%H%M%S}.db"
    with shared.errors.status("Copying and checking"):
        found = _ledger(restoring.create(shared.settings().database_url, target))
    _show(shared, found, {"file": str(target)})


@app.command()
def verify(context: typer.Context, file: Annotated[Path, typer.Argument(help="A backup.")]) -> None:
    """Rebuild the ledger in a backup: every receipt, its signature, every batch. The file is not changed."""
    from node.settlement import restoring
    from node.store.seq_mark import SeqMark

    shared = context_of(context)
    with shared.errors.status("Checking"):
        found = _ledger(restoring.verify(file))
    mark = SeqMark.open(shared.home, found.vault) if found.vault is not None else None
    _show(shared, found, {"file": str(file), "behind": max(0, mark.value - found.receipts) if mark else None})


@app.command()
def restore(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="A backup; leave it out to rebuild from receipts files alone.")
    ] = None,
    receipts: Annotated[
        list[Path] | None,
        typer.Option(help="The public file of a batch, as GET /batches/EPOCH/receipts returns it. Repeatable."),
    ] = None,
    last_seq: LastSeq = None,
) -> None:
    """Put a backup in the place of the database, while the node is stopped. Receipts that it lacks must be given.

    A database that lacks receipts is refused: it would sign their numbers again.
    """
    from node.home.lock import owned
    from node.settlement import restoring

    shared = context_of(context)
    settings = shared.settings()
    with owned(settings.home), shared.errors.status("Restoring and checking"):
        done = _ledger(restoring.restore(settings.home, settings.database_url, file, receipts or (), last_seq))
    kept = str(done.kept) if done.kept is not None else None
    _show(shared, done.audit, {"added": done.added, "replaced": kept, "mark": done.mark})


@app.command()
def mark(
    context: typer.Context,
    last_seq: Annotated[int, typer.Option(min=0, help="The number of the newest receipt that this vault signed.")],
) -> None:
    """State how many receipts were signed, where the home has lost its high-water mark. It can only be raised."""
    from node.home.lock import owned
    from node.settlement import restoring

    shared = context_of(context)
    settings = shared.settings()
    with owned(settings.home):
        value = _ledger(restoring.set_mark(settings.home, settings.database_url, last_seq))
    if shared.as_json:
        shared.emit({"mark": value})
    else:
        shared.console.print(f"the high-water mark is {value}")


def _ledger(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. A ledger that does not rebuild is a failed check."""
    from node.settlement.errors import LedgerBroken
    from node.store.errors import LedgerBehind

    try:
        return asyncio.run(work)
    except (LedgerBroken, LedgerBehind) as error:
        raise VerificationFailure(str(error)) from error


def _show(shared: Context, found: "LedgerAudit", more: dict[str, object]) -> None:
    if shared.as_json:
        shared.emit({**found.to_json(), **more})
        return
    say = shared.console.print
    say(f"vault     {found.vault or 'none yet'}")
    say(f"receipts  {found.receipts}, {amount(str(found.charged))} in {found.batches} batches and after them")
    for name, value in more.items():
        if value is not None:
            say(f"{name:<9} {value}")
