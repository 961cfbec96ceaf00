"""Opens what a service needs before it can start: the base model and the adapter store."""

from serving.adapters.resolve import resolve_base
from serving.adapters.store import AdapterStore
from serving.base.loader import BaseModel, Progress, load_base
from serving.config import ServingConfig


def open_base(config: ServingConfig, on_progress: Progress) -> tuple[BaseModel, AdapterStore]:
    """Fetches and loads the base, then opens the adapter store. Blocking.

    Raises BaseModelUnusable, SourceRefused and SourceUnavailable.
    """

    def downloaded(fraction: float) -> None:
        on_progress("Downloading the base model", fraction)

    folder = resolve_base(config.base, config.adapters_home, settings=config.sources, on_progress=downloaded)
    base = load_base(folder, config, on_progress)
    store = AdapterStore(
        config.adapters_home,
        base.shape,
        base.digest,
        base.dtype,
        config.allowed_sources,
        settings=config.sources,
        on_progress=lambda name, fraction: on_progress(f"Loading adapter {name}", fraction),
    )
    return base, store
