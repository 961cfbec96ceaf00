"""`config`: what the settings are, and where each came from."""

from typing import Annotated

import typer
from rich.table import Table

from node.cli.context import context_of

app = typer.Typer(help="Show and check the settings.", no_args_is_help=True)


@app.command()
def show(
    context: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="Tell where each value came from.")] = False,
) -> None:
    """Print every setting; secrets are masked."""
    shared = context_of(context)
    loaded = shared.load()
    values = {key: loaded.settings.shown(key) for key in type(loaded.settings).model_fields}
    if shared.as_json:
        shared.emit({k: {"value": v, "origin": loaded.origins[k]} for k, v in values.items()} if origin else values)
        return
    table = Table("key", "value", *(["origin"] if origin else []), box=None, pad_edge=False)
    for key, value in values.items():
        table.add_row(key, value, *([loaded.origins[key]] if origin else []))
    shared.console.print(table)


@app.command()
def validate(context: typer.Context) -> None:
    """Check all sources; every problem is named with its fix."""
    shared = context_of(context)
    shared.load()
    if shared.as_json:
        shared.emit({"valid": True})
    else:
        shared.console.print("The settings are valid.")
