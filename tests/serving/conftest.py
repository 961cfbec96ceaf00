"""A tiny base with adapters, made once, and a running service per test."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import settings

from serving.config import ServingConfig
from serving.service import Service
from tests.serving.tiny import save_adapter, save_base

settings.register_profile("no-timing", deadline=None)  # a busy machine is not a failure
settings.load_profile("no-timing")


@dataclass(frozen=True)
class Folders:
    """base, and adapters a0 … a2 of different ranks and kinds."""

    base: Path
    adapters: dict[str, Path]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    work = tmp_path_factory.mktemp("serving")
    base = save_base(work / "tiny-base")
    variants = {"a0": "plain", "a1": "rslora", "a2": "patterns"}
    return Folders(base, {n: save_adapter(work / n, base, v, seed=i) for i, (n, v) in enumerate(variants.items())})


@pytest.fixture
def config(folders: Folders, tmp_path: Path) -> ServingConfig:
    return ServingConfig(
        base=folders.base,
        adapters_home=tmp_path / "adapters",
        dtype="fp32",
        kv_bytes=1 << 22,
        adapter_device_bytes=1 << 22,
    )


StartService = Callable[..., Awaitable[Service]]


@pytest.fixture
async def start_service(config: ServingConfig) -> AsyncIterator[StartService]:
    """start_service(max_queue=3, …) starts a service with these settings; it is closed after the test."""
    async with AsyncExitStack() as services:

        async def start(**changes: object) -> Service:
            service = await Service.start(replace(config, **changes))  # type: ignore[arg-type]
            services.push_async_callback(service.close)
            return service

        yield start


@pytest.fixture
async def service(start_service: StartService, folders: Folders) -> Service:
    """The base and all adapters."""
    started = await start_service()
    for name, folder in folders.adapters.items():
        await started.add_adapter(name, f"file:{folder}")
    return started
