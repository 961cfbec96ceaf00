"""`start`: run a node until it is stopped."""

from typing import Annotated

import typer

from node.cli.context import context_of
from node.cli.failures import ConfigurationFailure


def start(
    context: typer.Context,
    *,
    dev: Annotated[
        bool, typer.Option("--dev", help="Run a local chain with public keys and serve the starter pack, on loopback.")
    ] = False,
    free: Annotated[
        bool, typer.Option("--free", help="Serve without a chain and without payment, on loopback.")
    ] = False,
    base: Annotated[
        str | None, typer.Option(help="The base model: starter, a folder, or a hub model such as org/name.")
    ] = None,
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]SRC",
            help="An adapter to serve. Repeatable. SRC: hf:org/name@rev, file:PATH, s3://… or https://…",
        ),
    ] = None,
    chain_rpc: Annotated[
        str | None, typer.Option(help="Serve for payment on the chain behind this JSON-RPC URL.")
    ] = None,
    confirmations: Annotated[
        int | None,
        typer.Option(
            help="Blocks above an event or transaction before the node relies on it. Default: 12 on Ethereum, 15 on "
            "Base and Optimism, 60 on Arbitrum, 64 on Polygon, 0 on the dev chain, 6 on any other."
        ),
    ] = None,
    max_gas_price_gwei: Annotated[
        float | None,
        typer.Option(help="The most that the node pays per gas, in gwei; above it, it waits. Default: 500."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="The address that the public API listens on. Default: 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="The port of the public API; 0 takes any free port. Default: 8000.")
    ] = None,
    admin_port: Annotated[
        int | None,
        typer.Option(help="The port of the operator's API on loopback; 0 takes any free port. Default: 8001."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Where the model runs: auto, cpu or cuda.")] = None,
    dtype: Annotated[str | None, typer.Option(help="The number format of the weights: auto, bf16 or fp32.")] = None,
    max_model_len: Annotated[
        int | None, typer.Option(help="The longest context in tokens. Default: the model's own.")
    ] = None,
    kv_bytes: Annotated[str | None, typer.Option(help="Memory for the KV cache, such as 512MiB.")] = None,
    adapter_device_bytes: Annotated[
        str | None, typer.Option(help="Device memory for adapters, such as 256MiB.")
    ] = None,
    adapter_host_bytes: Annotated[
        str | None, typer.Option(help="Host memory for adapters that are not on the GPU, such as 4GiB.")
    ] = None,
    request_timeout_s: Annotated[
        float | None, typer.Option(help="Seconds that a request may wait before it is refused.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(help="Where receipts are kept: sqlite:///PATH or a PostgreSQL URL. Default: a file in the home."),
    ] = None,
) -> None:
    """Run a node. Ctrl-C drains it: running requests may finish, new ones are refused."""
    from node.cli.diagnosis import INSTALL_SERVING, missing_packages
    from node.cli.screen import Screen
    from node.cli.start_settings import start_settings
    from node.process.logs import configure
    from node.process.runtime import run

    shared = context_of(context)
    settings = start_settings(
        shared,
        dev=dev or None,
        free=free or None,
        base=base,
        adapters=adapter or None,
        chain_rpc=chain_rpc,
        confirmations=confirmations,
        max_gas_price_gwei=max_gas_price_gwei,
        host=host,
        port=port,
        admin_port=admin_port,
        device=device,
        dtype=dtype,
        max_model_len=max_model_len,
        kv_bytes=kv_bytes,
        adapter_device_bytes=adapter_device_bytes,
        adapter_host_bytes=adapter_host_bytes,
        request_timeout_s=request_timeout_s,
        database=database,
    )
    missing = missing_packages()
    if missing:
        raise ConfigurationFailure(f"a node needs packages that are missing: {', '.join(missing)}", INSTALL_SERVING)
    configure("debug" if shared.verbose else settings.log_level, settings.log_format, settings.redactor)
    with Screen(shared) as screen:
        run(settings, screen)
