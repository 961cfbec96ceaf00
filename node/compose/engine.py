"""The serving part of a node: the base model and the configured adapters."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from node.config import Settings, named_source
from node.dev import starter
from node.readiness import Progress
from serving.adapters.sources.source import SourceSettings
from serving.config import ServingConfig
from serving.errors import BaseModelUnusable
from serving.service import Service


@asynccontextmanager
async def running_service(settings: Settings, progress: Progress) -> AsyncIterator[Service]:
    """The engine with the base and the adapters that the settings name, closed afterwards.

    An adapter that cannot be loaded does not end the start: the others are served, and `Service.failed_loads` says why.
    """
    service = await Service.start(serving_config(settings), progress)
    try:
        configured = configured_adapters(settings)
        for count, (name, source) in enumerate(configured.items()):
            progress("Adding adapters", count / len(configured))
            await service.add_configured(name, source)
        yield service
    finally:
        await service.close()


def serving_config(settings: Settings) -> ServingConfig:
    """The settings of the `serving` package. Raises BaseModelUnusable."""
    pack = starter.pack() if settings.base == "starter" else None
    sources = settings.adapter_sources
    if pack:
        sources = (*sources, f"file:{starter.HOME}")
    return ServingConfig(
        base=pack.base if pack else _base(settings.base),
        base_name=pack.base_name if pack else None,
        adapters_home=settings.home / "adapters",
        device=settings.device,
        dtype=settings.dtype,
        max_model_len=settings.max_model_len,
        kv_bytes=settings.kv_bytes,
        adapter_device_bytes=settings.adapter_device_bytes,
        adapter_host_bytes=settings.adapter_host_bytes,
        max_queue=settings.max_queue,
        compositions=settings.free,
        request_timeout_s=settings.request_timeout_s,
        allowed_sources=sources,
        sources=SourceSettings(s3_endpoint=settings.s3_endpoint),
    )


def configured_adapters(settings: Settings) -> dict[str, str]:
    """Name → source: with the starter base its adapters, then the configured ones, which may replace them."""
    sources: dict[str, str] = {}
    if settings.base == "starter":
        sources = {adapter.name: f"file:{adapter.path}" for adapter in starter.pack().adapters}
    for given in settings.adapters:
        name, source = named_source(given)
        sources[name] = source
    return sources


def _base(given: str) -> str | Path:
    if given.startswith("hf:"):
        return given
    folder = Path(given).expanduser()
    if folder.exists():
        return folder
    if given.count("/") == 1 and not given.startswith((".", "/", "~")):
        return f"hf:{given}" if "@" in given else f"hf:{given}@main"
    raise BaseModelUnusable(f"{given} is neither a folder nor a hub model such as hf:org/name@revision.")
