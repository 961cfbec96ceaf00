"""`config`: the settings, and where each value comes from."""

from typing import Annotated

import typer
from rich.table import Table

from node.cli.context import context_of

app = typer.Typer(help="Show and check the settings.", no_args_is_help=True)


@app.command()
def show(
    context: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="Show where each value comes from.")] = False,
) -> None:
    """Print every setting. Secrets are masked; of URLs only scheme, host and port are shown."""
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
    """Check the settings from all sources. Every problem is reported with its fix."""
    shared = context_of(context)
    shared.load()
    if shared.as_json:
        shared.emit({"valid": True})
    else:
        shared.console.print("The settings are valid.")
