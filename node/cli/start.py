"""`start`: run a node until it is told to stop."""

from typing import Annotated

import typer

from node.cli.context import context_of
from node.cli.failures import ConfigurationFailure


def start(
    context: typer.Context,
    *,
    dev: Annotated[bool, typer.Option("--dev", help="A local chain with public keys, and the starter pack.")] = False,
    free: Annotated[bool, typer.Option("--free", help="Serve without chain or payment, on loopback.")] = False,
    base: Annotated[str | None, typer.Option(help="The base model: starter, a folder, or a hub model.")] = None,
    adapter: Annotated[list[str] | None, typer.Option(metavar="[NAME=]SRC", help="Serve this adapter too.")] = None,
    chain_rpc: Annotated[str | None, typer.Option(help="Serve for payment on the chain at this URL.")] = None,
    host: Annotated[str | None, typer.Option(help="The address of the public listener.")] = None,
    port: Annotated[int | None, typer.Option(help="Its port; 0 takes any.")] = None,
    admin_port: Annotated[int | None, typer.Option(help="The operator's port on loopback; 0 takes any.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, bf16 or fp32.")] = None,
    max_model_len: Annotated[int | None, typer.Option(help="Tokens of context.")] = None,
    kv_bytes: Annotated[str | None, typer.Option(help="Memory for the KV cache, such as 512MiB.")] = None,
    adapter_device_bytes: Annotated[str | None, typer.Option(help="Memory for adapters, such as 256MiB.")] = None,
    adapter_host_bytes: Annotated[str | None, typer.Option(help="Host memory for them, beside a GPU.")] = None,
    request_timeout_s: Annotated[float | None, typer.Option(help="Seconds a request may wait.")] = None,
    database: Annotated[str | None, typer.Option(help="sqlite:///PATH or a PostgreSQL URL.")] = None,
) -> None:
    """Run a node. Ctrl-C drains: running streams finish, nothing durable is lost."""
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
