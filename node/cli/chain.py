"""`chain`: the private chain of this home, which `start --dev` runs by itself, and the events that a node has read."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.context import Context, context_of
from node.cli.failures import UsageFailure
from node.cli.money import UNIT

if TYPE_CHECKING:
    from contracts.crypto import Address
    from local_chain.home import ChainRun

app = typer.Typer(
    help="Run, fund or remove this home's private chain; read a chain's events again.", no_args_is_help=True
)

Rpc = Annotated[
    str | None, typer.Option("--rpc-url", help="The chain's JSON-RPC URL. Default: the running chain of this home.")
]


@app.command()
def up(
    context: typer.Context,
    engine: Annotated[str, typer.Option(help="pyevm, which needs no Node.js, or anvil.")] = "pyevm",
    port: Annotated[int, typer.Option(help="The port of the JSON-RPC server; 0 takes any free port.")] = 8545,
) -> None:
    """Run the chain, with the contracts deployed, until Ctrl-C."""
    from local_chain.backend import ENGINES
    from local_chain.launcher import start_chain

    shared = context_of(context)
    found = next((one for one in ENGINES if one == engine), None)
    if found is None:
        raise UsageFailure(f"there is no engine {engine!r}", fix=f"choose one of {', '.join(ENGINES)}")
    with shared.console.status("Starting the chain"):
        chain = start_chain(_home(shared), found, port)
    try:
        shared.emit({"rpcUrl": chain.rpc_url, "pid": chain.pid, "engine": chain.engine, **chain.deployment.to_json()})
        if chain.adopted:
            shared.errors.print(f"process {chain.pid} already runs this chain")
            return
        shared.errors.print("Ctrl-C stops the chain; its blocks stay")
        while chain.running():
            time.sleep(0.5)
    except KeyboardInterrupt:
        shared.errors.print("stopping")
    finally:
        chain.stop()


@app.command()
def deploy(context: typer.Context, rpc_url: Rpc = None) -> None:
    """Deploy the contracts that a running chain lacks, and print all addresses."""
    from local_chain.deploy import deploy as deploy_contracts

    shared = context_of(context)
    shared.emit(deploy_contracts(rpc_url or _running(shared).rpc_url).to_json())


@app.command()
def fund(
    context: typer.Context,
    account: Annotated[str, typer.Argument(help="An address, or the index of a development account.")],
    open_amount: Annotated[int, typer.Option("--open", min=0, help="Whole OPEN to transfer.")] = 1_000,
    eth_amount: Annotated[int, typer.Option("--eth", min=0, help="Whole ETH to transfer.")] = 1,
    rpc_url: Rpc = None,
) -> None:
    """Transfer OPEN and ETH from development account 0."""
    from local_chain.accounts import dev_accounts
    from local_chain.deploy import deploy as deploy_contracts
    from local_chain.transactor import Transactor, connect, contract

    shared = context_of(context)
    to = _address(account)
    url = rpc_url or _running(shared).rpc_url
    token_address = deploy_contracts(url).open_token
    giver = Transactor(connect(url), dev_accounts()[0])
    token = contract(giver.web3, "OpenToken", token_address)
    if open_amount:
        giver.call(token, "transfer", to, open_amount * UNIT)
    if eth_amount:
        giver.pay(to, eth_amount * 10**18)
    shared.emit({"address": to, "open": str(token.functions.balanceOf(to).call())})


@app.command()
def reset(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Remove the chain's files. All balances and earnings on it are lost."""
    from local_chain.home import ChainHome

    shared = context_of(context)
    home = ChainHome(_home(shared))
    if home.engine() is not None and not yes:
        typer.confirm(f"Remove the chain in {home.path} and everything on it?", abort=True, err=True)
    shared.emit({"removed": [str(path) for path in home.reset()]})


@app.command()
def rescan(
    context: typer.Context,
    from_block: Annotated[int, typer.Option("--from-block", min=0, help="The first block to read again.")],
) -> None:
    """Let the running node read its contracts' events again: an endpoint may have left some out."""
    from node.cli.remote import ask_operator

    shared = context_of(context)
    with shared.errors.status("Reading the events again"):
        report = ask_operator(shared, "POST", f"/admin/chain/rescan?from_block={from_block}")
    if shared.as_json:
        shared.emit(report)
        return
    found = f"{report['events']} events up to block {report['head']}"
    shared.console.print(f"corrected: {found}" if report["changed"] else f"nothing was missing: {found}")


def _home(shared: Context) -> Path:
    """The folder of the chain within the home."""
    return shared.home / "chain"


def _running(shared: Context) -> "ChainRun":
    from local_chain.errors import ChainUnreachable
    from local_chain.home import ChainHome

    home = ChainHome(_home(shared))
    run = home.announced()
    if run is None or not home.is_locked():
        raise ChainUnreachable(f"no chain runs in {home.path}; start one with `python -m node chain up`")
    return run


def _address(account: str) -> "Address":
    from contracts.crypto import to_address
    from local_chain.accounts import DEV_ACCOUNT_COUNT, dev_accounts

    if account.isdigit() and int(account) < DEV_ACCOUNT_COUNT:
        return dev_accounts()[int(account)].address
    try:
        return to_address(account)
    except ValueError as error:
        last = DEV_ACCOUNT_COUNT - 1
        raise UsageFailure(
            str(error), fix=f"give an address, or the index of a development account, 0 to {last}"
        ) from error
