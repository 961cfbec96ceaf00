"""`adapter`: what the running node serves. The verbs that change it talk to its admin listener."""

from typing import Annotated, cast

import typer
from rich.table import Table

from node.cli.context import Context, context_of

app = typer.Typer(help="Add, list and pin adapters of the running node.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The adapter's name.")]


@app.command()
def add(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="SRC", help="hf:org/name@rev, file:PATH, s3://bucket/prefix or https://…")
    ],
    name: Annotated[
        str | None, typer.Option(help="The name to serve it under; the source's own when left out.")
    ] = None,
    digest: Annotated[str | None, typer.Option(help="Refuse anything but this adapter digest.")] = None,
) -> None:
    """Fetch, check and serve an adapter."""
    body = {"name": name, "source": source, "digest": digest}
    _operate(context_of(context), "POST", "/admin/adapters", body, "added")


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the adapters that the node serves."""
    from node.cli.remote import ask, public_url

    shared = context_of(context)
    found = cast(list[dict[str, object]], ask(public_url(shared), "GET", "/adapters")["data"])
    if shared.as_json:
        shared.emit(found)
        return
    table = Table("name", "digest", "rank", "residency", "source", box=None, pad_edge=False)
    for card in found:
        cells = (card["name"], str(card["digest"])[:16], card["rank"], card["residency"], card["root"])
        table.add_row(*map(str, cells))
    shared.console.print(table)


@app.command()
def show(context: typer.Context, name: Name) -> None:
    """Print everything the node tells about an adapter."""
    from node.cli.remote import ask, public_url

    shared = context_of(context)
    shared.emit(ask(public_url(shared), "GET", f"/adapters/{name}"))


@app.command()
def remove(context: typer.Context, name: Name) -> None:
    """Stop serving an adapter; returns when its last request has ended."""
    _operate(context_of(context), "DELETE", f"/admin/adapters/{name}", None, "removed")


@app.command()
def pin(context: typer.Context, name: Name) -> None:
    """Load an adapter and keep it in memory."""
    _operate(context_of(context), "POST", f"/admin/adapters/{name}/pin", None, "pinned")


@app.command()
def unpin(context: typer.Context, name: Name) -> None:
    """Let an adapter be evicted again."""
    _operate(context_of(context), "POST", f"/admin/adapters/{name}/unpin", None, "unpinned")


@app.command()
def evict(context: typer.Context, name: Name) -> None:
    """Free an adapter's memory now; it is loaded again when asked for."""
    _operate(context_of(context), "POST", f"/admin/adapters/{name}/evict", None, "evicted")


def _operate(shared: Context, method: str, path: str, body: object, done: str) -> None:
    from node.cli.remote import ask_operator

    card = ask_operator(shared, method, path, body)
    if shared.as_json:
        shared.emit(card)
    else:
        shared.console.print(f"{card['name']} {done}")
