"""What a node decides before serving starts. Values only: importing this must not load torch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from serving.adapters.sources.source import SourceSettings

DeviceChoice = Literal["auto", "cpu", "cuda"]
DtypeChoice = Literal["auto", "bf16", "fp32"]
KERNELS_HOME = Path("~/.cache/openlora/native")


@dataclass(frozen=True, slots=True)
class StepThreads:
    """How many threads share a step of the CPU kernels with `shared_from` tokens or more; one computes the others."""

    most: int
    shared_from: int = 1

    def of(self, tokens: int) -> int:
        return self.most if tokens >= self.shared_from else 1


@dataclass(frozen=True, slots=True)
class ServingConfig:
    """How one base model is served. None means: measured at start.

    base: a local folder in Hugging Face layout, or `hf:org/name@revision`.
    base_name: the name clients ask for; None takes the folder's name.
    allowed_sources: spelled prefixes an adapter may come from, such as `hf:` or `file:/srv/adapters`.
    max_queue: requests that may wait for their first token; one more is refused with `Overloaded`.
    compositions: whether a request may add up several adapters.
    request_timeout_s: how long a request may wait for its first step; then it fails with `DeadlinePassed`.
    adapter_device_bytes, kv_bytes: budgets; no slot counts and no maximum rank exist.
    adapter_host_bytes: budget of host memory for adapters that have left a GPU; a CPU has no use for it.
    kernels_home: where compiled CPU kernels are kept; None computes in plain torch.
    step_threads: that share the steps of these kernels.
    """

    base: str | Path
    adapters_home: Path
    base_name: str | None = None
    device: DeviceChoice = "auto"
    dtype: DtypeChoice = "auto"
    max_model_len: int | None = None
    kv_bytes: int | None = None
    adapter_device_bytes: int | None = None
    adapter_host_bytes: int | None = None
    max_queue: int = 256
    compositions: bool = True
    request_timeout_s: float | None = None
    allowed_sources: tuple[str, ...] = ("file:", "hf:")
    kernels_home: Path | None = field(default_factory=KERNELS_HOME.expanduser)
    step_threads: StepThreads | None = None
    sources: SourceSettings = field(default_factory=SourceSettings)
