"""`adapter`: list, show and change the adapters of a node. Verbs that change them call the node's admin listener."""

from typing import Annotated, cast
from urllib.parse import quote

import typer
from rich.table import Table

from node.cli.context import Context, context_of

app = typer.Typer(help="Add, list and pin adapters of the running node.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The adapter's name, or name@digest for one version.")]


@app.command()
def add(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="SRC", help="hf:org/name@rev, file:PATH, s3://bucket/prefix or https://…")
    ],
    name: Annotated[
        str | None, typer.Option(help="The name to serve it under. Default: the source's own name.")
    ] = None,
    digest: Annotated[str | None, typer.Option(help="Refuse any other adapter digest.")] = None,
) -> None:
    """Fetch, check and serve an adapter. A name in use is refused."""
    body = {"name": name, "source": source, "digest": digest}
    _operate(context_of(context), "POST", "/admin/adapters", body, "added")


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the adapters that the node serves, and configured ones that it could not load."""
    from node.cli.remote import ask, ask_operator, public_url, runs_here

    shared = context_of(context)
    url = public_url(shared)
    served = cast(list[dict[str, object]], ask(url, "GET", "/adapters")["data"])
    own = (
        cast(list[dict[str, object]], ask_operator(shared, "GET", "/admin/ps")["failed"])
        if runs_here(shared, url)
        else []
    )
    errors = {failed["name"]: failed["error"] for failed in own}
    if shared.as_json:
        absent = [failed for failed in own if not failed["served"]]
        shared.emit(
            [card | ({"error": errors[card["name"]]} if card["name"] in errors else {}) for card in served] + absent
        )
        return
    table = Table("name", "digest", "rank", "residency", "source", box=None, pad_edge=False)
    for card in served:
        cells = (card["name"], str(card["digest"])[:16], card["rank"], card["residency"], card["root"])
        table.add_row(*map(str, cells))
    shared.console.print(table)
    for failed in own:
        shared.console.print(failure_line(failed), highlight=False, markup=False)


@app.command()
def show(context: typer.Context, name: Name) -> None:
    """Print all details of an adapter."""
    from node.cli.remote import ask, public_url

    shared = context_of(context)
    shared.emit(ask(public_url(shared), "GET", f"/adapters/{_quoted(name)}"))


@app.command()
def remove(context: typer.Context, name: Name) -> None:
    """Remove all versions of an adapter; returns when its last request has ended."""
    _operate(context_of(context), "DELETE", f"/admin/adapters/{_quoted(name)}", None, "removed")


@app.command()
def pin(context: typer.Context, name: Name) -> None:
    """Load an adapter version and keep it in memory."""
    _operate(context_of(context), "POST", f"/admin/adapters/{_quoted(name)}/pin", None, "pinned")


@app.command()
def unpin(context: typer.Context, name: Name) -> None:
    """Let an adapter version be evicted again."""
    _operate(context_of(context), "POST", f"/admin/adapters/{_quoted(name)}/unpin", None, "unpinned")


@app.command()
def evict(context: typer.Context, name: Name) -> None:
    """Free the memory of an adapter version now; the next request loads it again."""
    _operate(context_of(context), "POST", f"/admin/adapters/{_quoted(name)}/evict", None, "evicted")


def _operate(shared: Context, method: str, path: str, body: object, done: str) -> None:
    from node.cli.remote import ask_operator

    card = ask_operator(shared, method, path, body)
    if shared.as_json:
        shared.emit(card)
    else:
        shared.console.print(f"{card['name']} {done}")


def failure_line(failed: dict[str, object]) -> str:
    """One configured adapter that could not be loaded, as `ps` and `adapter list` print it."""
    served = "a stored version is served" if failed["served"] else "not served"
    return f"!!  {failed['name']} ({failed['source']}): {served}: {failed['error']}"


def _quoted(name: str) -> str:
    """The name as one segment of a path: `/` becomes `%2F`."""
    return quote(name, safe="@:")
