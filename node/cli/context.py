"""What every command uses: the global options, the settings, and the output streams."""

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
        """The settings with this command's own flags, and their origins. Raises SettingsError with every problem."""
        from node.config import load

        return load({**self.flags, **flags})

    def settings(self, **flags: object) -> "Settings":
        """The settings with this command's own flags. Raises SettingsError with every problem."""
        return self.load(**flags).settings

    @property
    def home(self) -> Path:
        """The home that the settings name."""
        return self.settings().home

    def emit(self, document: object) -> None:
        """Writes a result as one JSON document to stdout."""
        self.write(json.dumps(document, indent=2) + "\n")

    def write(self, text: str) -> None:
        """Writes `text` unchanged to stdout."""
        sys.stdout.write(text)
        sys.stdout.flush()


def _console(context: Context, *, stderr: bool) -> Console:
    """A console without markup: names and messages may contain brackets.

    Lines written to a file or a pipe are not wrapped or cut: a program needs whole ids.
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
    """The global options of this invocation."""
    found = context.find_object(Context)
    assert found is not None, "the application's callback makes it"
    return found
