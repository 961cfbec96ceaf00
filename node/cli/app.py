"""The command tree, and the only place where failures become exit codes."""

import json
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli import (
    account,
    adapter,
    audit,
    backup,
    chain,
    chat,
    earnings,
    gov,
    node_state,
    pay,
    receipts,
    settings,
    settle,
    start,
    watch,
)
from node.cli.context import Context, context_of
from node.cli.failures import Failure, Unexpected, exit_code_of
from node.version import VERSION

if TYPE_CHECKING:
    from node.redaction import Redactor

_GLOBAL_FLAGS = {"--json", "--no-color", "-v", "--verbose"}
_GLOBAL_VALUES = {"--config", "--home"}

app = typer.Typer(
    help="Serve LoRA adapters on one base model and pay the people behind them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(start.start)
app.command()(chat.chat)
app.add_typer(pay.app, name="pay")
app.add_typer(receipts.app, name="receipts")
app.add_typer(settle.app, name="settle")
app.add_typer(audit.app, name="audit")
app.command()(watch.watch)
app.command()(earnings.earnings)
app.command()(earnings.claim)
app.add_typer(account.app, name="account")
app.add_typer(adapter.app, name="adapter")
app.add_typer(chain.app, name="chain")
app.add_typer(backup.app, name="backup")
app.add_typer(gov.app, name="gov")
for _plugin in entry_points(group="openlora.commands"):
    app.add_typer(_plugin.load(), name=_plugin.name)
app.command()(node_state.ps)
app.command()(node_state.status)
app.command()(node_state.doctor)
app.add_typer(settings.app, name="config")


@app.callback()
def options(
    context: typer.Context,
    *,
    config_file: Annotated[Path | None, typer.Option("--config", help="A TOML file with settings.")] = None,
    home: Annotated[Path | None, typer.Option(help="The home: the node's folder. Default: ~/.openlora.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of text.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Write without colours and progress bars.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log debug events and show tracebacks of errors.")
    ] = False,
) -> None:
    """These options may appear anywhere on the command line."""
    context.obj = Context({"config": config_file, "home": home}, as_json, verbose, not no_color)


@app.command()
def version(context: typer.Context) -> None:
    """Print the version of this software."""
    shared = context_of(context)
    if shared.as_json:
        shared.emit({"version": VERSION})
    else:
        shared.console.print(f"openlora-node {VERSION}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command line and exits: with 0, or with the exit code of the failure."""
    given = hoisted(sys.argv[1:] if arguments is None else arguments)
    try:
        app(given, prog_name="openlora")
    except Exception as error:
        code = exit_code_of(error)
        _report(error if code is not None else Unexpected(error), given)
        sys.exit(1 if code is None else code)


def _report(error: Exception, given: Sequence[str]) -> None:
    """Writes a failure to stderr, with its traceback under --verbose, and without the secrets of configured URLs."""
    text = "".join(traceback.format_exception(error)) if {"-v", "--verbose"} & set(given) else ""
    fix = getattr(error, "fix", None)
    if "--json" in given:
        body = {"message": str(error), "fix": fix, "code": getattr(error, "code", None)}
        text += json.dumps({"error": body}) + "\n"
    else:
        text += f"error: {error}\n" + (f"  fix: {fix}\n" if isinstance(error, Failure) and fix else "")
    sys.stderr.write(_redactor(given)(text))


def _redactor(given: Sequence[str]) -> "Redactor":
    """Knows the URLs of this command line, of the environment, and of the settings files if they can be read."""
    from node.config import SettingsError, known_urls, load
    from node.redaction import Redactor

    words = dict(pairwise(word for option in given for word in option.split("=", 1)))
    urls = known_urls(given)
    with suppress(SettingsError):
        urls += load({"home": words.get("--home"), "config": words.get("--config")}).settings.redactor.urls
    return Redactor(urls)


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The same words with the global options first, where the parser expects them. Words after `--` do not move."""
    front: list[str] = []
    rest: list[str] = []
    queue = list(arguments)
    while queue:
        word = queue.pop(0)
        if word == "--":
            rest += [word, *queue]
            break
        if word in _GLOBAL_FLAGS or ("=" in word and word.partition("=")[0] in _GLOBAL_VALUES):
            front.append(word)
        elif word in _GLOBAL_VALUES and queue:
            front += [word, queue.pop(0)]
        else:
            rest.append(word)
    return front + rest
