"""`account`: the keys of this home, as password-protected keystores."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from node.cli.context import Context, context_of
from node.cli.failures import UsageFailure

if TYPE_CHECKING:
    from contracts.crypto import PrivateKey
    from node.home.keystore import Entry, Keystores

app = typer.Typer(help="Create, import and list the accounts of this home.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A name for the account.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="A file whose first line is the password. Without it, you are asked."),
]


@app.command()
def new(context: typer.Context, name: Name, password_file: PasswordFile = None) -> None:
    """Create an account: a new key in a password-protected keystore."""
    shared = context_of(context)
    stores = keystores(shared)
    _report(shared, stores.create(name, _new_password(shared, password_file)), "created")


@app.command("import")
def import_(
    context: typer.Context,
    name: Name,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A keystore, or a file with a private key in hex; - reads the key from stdin."
        ),
    ],
    password_file: PasswordFile = None,
) -> None:
    """Import a key from a file. Keys are never taken from the command line, where other users could see them."""
    shared = context_of(context)
    stores = keystores(shared)
    password = _new_password(shared, password_file)
    _report(shared, stores.add(name, _key_in(source, password), password), "imported")


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the accounts of this home, and the public development accounts while its node runs with --dev."""
    from node.home.dev_accounts import dev_account_keys

    shared = context_of(context)
    rows = [_row(entry) for entry in keystores(shared).entries()]
    if _in_development(shared):
        keys = dev_account_keys().items()
        rows += [{"name": name, "address": key.address, "path": None} for name, key in keys]
    if shared.as_json:
        shared.emit(rows)
        return
    table = Table("name", "address", "keystore", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row["name"], row["address"], row["path"] or "public development key")
    shared.console.print(table)


@app.command()
def show(context: typer.Context, name: Annotated[str, typer.Argument(help="An account name or an address.")]) -> None:
    """Print the address of an account."""
    from node.home.dev_accounts import dev_account

    shared = context_of(context)
    key = dev_account(name) if _in_development(shared) else None
    row = _row(keystores(shared).find(name)) if key is None else {"name": name, "address": key.address, "path": None}
    if shared.as_json:
        shared.emit(row)
    else:
        shared.console.print(row["address"])


def _in_development(shared: Context) -> bool:
    """Whether this home's node uses the public development keys."""
    from node.home.run_file import Running

    running = Running.read(shared.home)
    return shared.settings().dev or (running is not None and running.mode == "dev")


def keystores(shared: Context) -> "Keystores":
    """The keystores of the home that this command is about."""
    from node.home.keystore import Keystores

    return Keystores.of_home(shared.home)


def _new_password(shared: Context, password_file: Path | None) -> str:
    from node.home.keystore import read_password

    if password_file is not None:
        return read_password(password_file)
    if (given := shared.settings().password) is not None:
        return given.get_secret_value()
    if not sys.stdin.isatty():
        raise UsageFailure("no password was given", fix="give --password-file FILE, or set OPENLORA_PASSWORD_FILE")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def _key_in(source: Path, password: str) -> "PrivateKey":
    """The key of a V3 keystore, which the same password must open, or of 64 hex digits."""
    from contracts.crypto import PrivateKey, to_bytes32
    from node.home.keystore import decrypt

    if str(source) == "-":
        text = sys.stdin.read()
    elif source.is_file():
        text = source.read_text(errors="replace")
    else:
        raise UsageFailure(f"there is no file {source}", fix="give a keystore, a file with a key in hex, or -")
    if text.lstrip().startswith("{"):
        if str(source) == "-":
            raise UsageFailure("a keystore cannot be read from stdin", fix="save it to a file and give its path")
        return decrypt(source, password, source.name)
    try:
        return PrivateKey(to_bytes32(bytes.fromhex(text.strip().removeprefix("0x"))))
    except ValueError:
        raise UsageFailure(
            f"{source} holds neither a keystore nor a private key", fix="a private key is 64 hex digits"
        ) from None


def _row(entry: "Entry") -> dict[str, str | None]:
    return {"name": entry.name, "address": entry.address, "path": str(entry.path)}


def _report(shared: Context, entry: "Entry", verb: str) -> None:
    if shared.as_json:
        shared.emit(_row(entry))
        return
    shared.console.print(f"{verb} {entry.name} {entry.address}")
    shared.console.print(f"  in {entry.path}. Back it up: nobody else can restore it")
