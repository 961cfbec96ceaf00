"""`settle`: show how far settlement on the chain has come, and settle now."""

from typing import Annotated, cast

import typer

from node.cli import answering
from node.cli.context import Context, context_of
from node.cli.moments import moment
from node.cli.money import amount

app = typer.Typer(help="Show the state of settlement on the chain, and settle now.", no_args_is_help=True)
app.command()(answering.answer)
_WAIT_S = 300


@app.command()
def status(context: typer.Context) -> None:
    """Show what is not posted, what is at risk, each recent transaction, value beside gas, and deadlines."""
    from node.cli.remote import ask_operator

    shared = context_of(context)
    _show_status(shared, ask_operator(shared, "GET", "/admin/settle"))


@app.command()
def now(
    context: typer.Context,
    wait: Annotated[bool, typer.Option("--wait", help="Wait up to 300 s until the newest batch is active.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and send nothing.")] = False,
) -> None:
    """Settle now, even if the gas costs more than the value: post, claim vouchers, sweep the vault, activate."""
    from node.cli.remote import ask_operator

    shared = context_of(context)
    path = f"/admin/settle/now?dry_run={str(dry_run).lower()}&wait_s={_WAIT_S if wait else 0}"
    with shared.errors.status("Settling"):
        report = ask_operator(shared, "POST", path)
    if shared.as_json:
        shared.emit(report)
    else:
        _show_report(shared, report)


@app.command()
def retry(context: typer.Context) -> None:
    """Check every pending transaction, send again what the chain has dropped, and close gaps between nonces."""
    from node.cli.remote import ask_operator

    shared = context_of(context)
    _show_status(shared, ask_operator(shared, "POST", "/admin/settle/retry"))


_DEV = Annotated[bool, typer.Option("--dev", help="Start the local chain of this home, as `start --dev` does.")]
_CHAIN_RPC = Annotated[str | None, typer.Option(help="The JSON-RPC URL of the chain that the node settles on.")]


@app.command()
def run(
    context: typer.Context,
    *,
    dev: _DEV = False,
    chain_rpc: _CHAIN_RPC = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait up to 300 s until the newest batch is active.")] = False,
) -> None:
    """Settle once while no node runs, without loading a model: answer demands, post, claim, sweep, activate."""
    from node.cli.start_settings import settle_settings
    from node.process.logs import configure
    from node.process.settle_only import settle_once

    shared = context_of(context)
    settings = settle_settings(shared, dev=dev or None, chain_rpc=chain_rpc)
    configure("debug" if shared.verbose else settings.log_level, settings.log_format, settings.redactor)
    with shared.errors.status("Settling"):
        done = settle_once(settings, lambda what, fraction: None, _WAIT_S if wait else 0)
    if shared.as_json:
        shared.emit(done)
        return
    _show_report(shared, cast(dict[str, object], done["cycle"]))
    _show_status(shared, cast(dict[str, object], done["status"]))


@app.command()
def follow(context: typer.Context, *, dev: _DEV = False, chain_rpc: _CHAIN_RPC = None) -> None:
    """Settle while no node runs, until Ctrl-C: claim from payers who withdraw, answer demands, post what is left."""
    from node.cli.start_settings import settle_settings
    from node.process.logs import configure
    from node.process.settle_only import settle_on

    shared = context_of(context)
    settings = settle_settings(shared, dev=dev or None, chain_rpc=chain_rpc)
    configure("debug" if shared.verbose else settings.log_level, settings.log_format, settings.redactor)
    settle_on(settings, lambda what, fraction: None)


def _show_report(shared: Context, report: dict[str, object]) -> None:
    would = "would be " if report["dryRun"] else ""
    say = shared.console.print
    for batch in cast(list[dict[str, object]], report["posted"]):
        say(f"{would}posted   epoch {batch['epoch']}: {batch['receipts']} receipts, {amount(batch['cumTotal'])} in all")
    for claim in cast(list[dict[str, object]], report["claimed"]):
        say(f"{would}claimed  {amount(claim['amount'])} from channel {str(claim['channelId'])[:18]}…")
    for refused in cast(list[dict[str, object]], report["refused"]):
        say(f"refused  channel {str(refused['channelId'])[:18]}…: {refused['reason']}")
    if report["swept"] != "0":
        say(f"{would}swept    {amount(report['swept'])} to Settlement")
    if report["shortfall"] != "0":
        say(f"short    the newest batch exceeds what was credited by {amount(report['shortfall'])}")
    if report["waits"]:
        say(f"waits    {report['waits']}")
    say(f"active   epoch {report['activeEpoch']} of {report['lastEpoch']}{_window(report)}")


def _show_status(shared: Context, status: dict[str, object]) -> None:
    if shared.as_json:
        shared.emit(status)
        return
    say = shared.console.print
    say(f"unposted  {status['unpostedReceipts']} receipts, {amount(status['unpostedValue'])}")
    say(f"at risk   {amount(status['atRiskValue'])} charged and not yet claimed from channels")
    say(f"credited  {amount(status['credited'])}")
    say(f"active    epoch {status['activeEpoch']} of {status['lastEpoch']}{_window(status)}")
    value = cast(dict[str, object], status["value"])
    say(f"claimable {amount(value['claimable'])} from {value['channels']} channels; gas {amount(value['gasCost'])} now")
    if value["settlesBy"]:
        say(f"deadline  {moment(value['settlesBy'])}: settles at any cost of gas")
    for leaving in cast(list[dict[str, object]], status["deadlines"]):
        by = f"by {moment(leaving['claimBy'])}" if leaving["claimBy"] else "now"
        say(f"deadline  channel {str(leaving['channelId'])[:18]}… withdraws: claim {amount(leaving['owes'])} {by}")
    for demand in cast(list[dict[str, object]], status["demands"]):
        by, note = moment(demand["answerBy"]), f": {demand['note']}" if demand["note"] else ""
        say(f"demand    {demand['item']} of epoch {demand['epoch']}, answer by {by}: {demand['answer']}{note}")
    for sent in cast(list[dict[str, object]], status["transactions"]):
        say(
            f"{sent['state']!s:9} {sent['intent']}: nonce {_known(sent['nonce'])}, cost {sent['cost']} wei{_note(sent)}"
        )


def _known(number: object) -> object:
    return "-" if number is None else number


def _note(sent: dict[str, object]) -> str:
    return f"; {sent['note']}" if sent["note"] else ""


def _window(state: dict[str, object]) -> str:
    from datetime import UTC, datetime

    until = cast(int, state["activeFrom"])
    return f", the next from {datetime.fromtimestamp(until, UTC):%H:%M:%S} UTC" if until else ""
