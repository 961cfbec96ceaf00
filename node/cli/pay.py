"""`pay`: fund and empty channels, see prices and payments, and sign requests for other programs."""

from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.table import Table

from node.cli.context import Context, context_of
from node.cli.failures import FundsFailure, UsageFailure
from node.cli.money import amount, base_units
from node.cli.options import MaxTokens, NodeUrl, PageSize, PayingAccount

if TYPE_CHECKING:
    from node.client.channel import Channel

app = typer.Typer(
    help="Fund channels with a node, see its prices and your payments, sign requests.", no_args_is_help=True
)
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="In base units, or with a unit: 1.5OPEN.")]


@app.command()
def deposit(context: typer.Context, amount_: Amount, *, account: PayingAccount = None, node: NodeUrl = None) -> None:
    """Deposit OPEN into the channel with a node, opening it if needed. The node pays the gas."""
    import httpx2

    from node.cli.wallet import channel_with
    from node.client.flows import run

    shared = context_of(context)
    wanted = base_units(amount_)
    with httpx2.Client(timeout=120) as client, shared.errors.status("Depositing"):
        channel = channel_with(shared, client, account, node)
        run(client, channel.deposit(wanted))
        _show(shared, channel)


@app.command()
def withdraw(
    context: typer.Context,
    amount_: Annotated[
        str | None,
        typer.Argument(metavar="AMOUNT", help="In base units, or with a unit: 1.5OPEN. Default: all unspent."),
    ] = None,
    *,
    account: PayingAccount = None,
    node: NodeUrl = None,
) -> None:
    """Withdraw unspent OPEN in two steps: the first call starts the delay, a call after the delay pays out."""
    from node.cli.withdrawal import advance

    shared = context_of(context)
    result = advance(shared, account, node, base_units(amount_) if amount_ else None)
    if shared.as_json:
        shared.emit(result)
    else:
        shared.console.print(str(result["message"]))


@app.command()
def quote(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A model that the node serves.")],
    *,
    max_tokens: MaxTokens = None,
    node: NodeUrl = None,
) -> None:
    """Show the prices of a model and the most that a request can cost."""
    from urllib.parse import urlencode

    from node.cli.remote import ask, public_url

    shared = context_of(context)
    query = urlencode({"model": model} | ({"max_tokens": max_tokens} if max_tokens else {}))
    found = ask(public_url(shared, node), "GET", f"/nodes/me/quote?{query}")
    if shared.as_json:
        shared.emit(found)
        return
    prices = cast(dict[str, str], found["prices"])
    for name, label in (("promptPerM", "prompt"), ("cachedPerM", "cached"), ("outputPerM", "output")):
        shared.console.print(f"{label:<8} {amount(prices[name])} per million tokens")
    shared.console.print(f"minimum  {amount(prices['minFee'])} per request")
    shared.console.print(f"at most  {amount(found['maxFee'])} for this request")


@app.command()
def channels(context: typer.Context, *, account: PayingAccount = None, node: NodeUrl = None) -> None:
    """Show an account's channels with a node."""
    from node.cli.remote import ask, public_url
    from node.cli.signers import address_of

    shared = context_of(context)
    payer = address_of(shared, shared.settings(account=account).account)
    found = ask(public_url(shared, node), "GET", f"/payments/channels?payer={payer}")
    if shared.as_json:
        shared.emit(found)
        return
    table = Table("channel", "balance", "charged", "reserved", "signed", "free", box=None, pad_edge=False)
    for channel in cast(list[dict[str, str]], found["data"]):
        figures = (channel[name] for name in ("balance", "charged", "reserved", "signedMax", "capacity"))
        table.add_row(channel["channelId"], *map(amount, figures))
    shared.console.print(table)


@app.command()
def history(
    context: typer.Context,
    *,
    account: PayingAccount = None,
    limit: PageSize = 20,
    node: NodeUrl = None,
) -> None:
    """List what an account paid to a node, newest first."""
    from node.cli.receipts import list_

    shared = context_of(context)
    list_(context, account=shared.settings(account=account).account, limit=limit, node=node)


@app.command()
def sign(
    context: typer.Context,
    method: Annotated[str, typer.Argument(help="The HTTP method: POST.")],
    path: Annotated[str, typer.Argument(help="/v1/chat/completions or /v1/completions.")],
    *,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            "-d",
            help="The request body. @FILE reads it from a file, @- from stdin. It is signed byte for byte.",
        ),
    ],
    account: PayingAccount = None,
    node: NodeUrl = None,
) -> None:
    """Print the payment headers of one request. Save them to a file and send them with curl -H @FILE."""
    import httpx2

    from node.cli.remote import public_url, reachable
    from node.cli.wallet import wallet
    from node.client.errors import DepositTooSmall
    from node.client.flows import run

    shared = context_of(context)
    url = public_url(shared, node)
    request = httpx2.Request(method.upper(), url + path, content=_body(data))
    try:
        with reachable(url), httpx2.Client(timeout=120) as client:
            headers = run(client, wallet(shared, account).sign(request))
    except DepositTooSmall as error:
        raise FundsFailure(str(error), "python -m node pay deposit AMOUNT") from error
    except ValueError as error:
        raise UsageFailure(str(error), 'give a JSON body that names "model", and a path that is paid for') from error
    if shared.as_json:
        shared.emit(headers)
    else:
        shared.write("".join(f"{name}: {value}\n" for name, value in headers.items()))


def _body(data: str) -> bytes:
    import sys
    from pathlib import Path

    if data == "@-":
        return sys.stdin.buffer.read()
    if data.startswith("@"):
        try:
            return Path(data[1:]).read_bytes()
        except OSError as error:
            raise UsageFailure(f"{data[1:]}: {error.strerror}", "name a readable file") from error
    return data.encode()


def _show(shared: Context, channel: "Channel") -> None:
    from node.cli.remote import ask

    view = ask(channel.url, "GET", f"/payments/channels/0x{channel.id.hex()}")
    if shared.as_json:
        shared.emit(view)
    else:
        shared.console.print(f"channel {view['channelId']} holds {amount(view['balance'])}")
