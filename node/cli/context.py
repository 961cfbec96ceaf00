"""What every command shares: the global options, the settings they lead to, and where output goes."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

if TYPE_CHECKING:
    from node.config import Loaded, Settings


@dataclass(slots=True)
class Context:
    """The global options of one invocation. `flags` collects what the command line gave for the settings."""

    flags: dict[str, object] = field(default_factory=dict)
    as_json: bool = False
    verbose: bool = False
    colors: bool = True
    console: Console = field(init=False)
    errors: Console = field(init=False)

    def __post_init__(self) -> None:
        self.console, self.errors = _console(self, stderr=False), _console(self, stderr=True)

    def load(self, **flags: object) -> "Loaded":
        """The settings with this command's own flags. SettingsError names every problem."""
        from node.config import load

        return load({**self.flags, **flags})

    def settings(self, **flags: object) -> "Settings":
        return self.load(**flags).settings

    @property
    def home(self) -> Path:
        return self.settings().home

    def emit(self, document: object) -> None:
        """The machine's form of a result, one JSON document on stdout."""
        self.write(json.dumps(document, indent=2) + "\n")

    def write(self, text: str) -> None:
        """`text` as it is, to stdout."""
        sys.stdout.write(text)
        sys.stdout.flush()


def _console(context: Context, *, stderr: bool) -> Console:
    """Into a file or a pipe, lines are as long as they must be: an id that is cut short is useless there.

    Text is shown as it is, brackets too: names and messages are not markup.
    """
    into_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if into_terminal else 1000
    return Console(
        stderr=stderr,
        highlight=False,
        markup=False,
        soft_wrap=True,
        width=width,
        color_system="auto" if context.colors else None,
    )


def context_of(context: typer.Context) -> Context:
    found = context.find_object(Context)
    assert found is not None, "the application's callback makes it"
    return found
