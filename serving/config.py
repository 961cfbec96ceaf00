"""The settings of serving, fixed before it starts. Values only: importing this must not load torch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from serving.adapters.sources.source import SourceSettings

DeviceChoice = Literal["auto", "cpu", "cuda"]
DtypeChoice = Literal["auto", "bf16", "fp32"]
KERNELS_HOME = Path("~/.cache/openlora/native")


@dataclass(frozen=True, slots=True)
class StepThreads:
    """How many threads compute a step of the CPU kernels: `most` from `shared_from` tokens on, one below that."""

    most: int
    shared_from: int = 1

    def of(self, tokens: int) -> int:
        """The number of threads for a step of `tokens` tokens."""
        return self.most if tokens >= self.shared_from else 1


@dataclass(frozen=True, slots=True)
class ServingConfig:
    """How one base model is served. A budget of None is measured at start.

    base: a local folder in Hugging Face layout, or `hf:org/name@revision`.
    base_name: the model name that clients use; None takes the folder's name.
    max_model_len: the longest context in tokens; None takes the base's.
    allowed_sources: prefixes of the sources that adapters may come from, such as `hf:` or `file:/srv/adapters`.
    max_queue: how many requests may wait for their first token; further ones are refused with `Overloaded`.
    compositions: whether a request may combine several adapters.
    request_timeout_s: a request that waits longer for its first step fails with `DeadlinePassed`; None is no limit.
    adapter_device_bytes, kv_bytes: memory budgets. There is no number of slots and no maximum rank.
    adapter_host_bytes: the budget of host memory for adapters evicted from a GPU; not used on a CPU.
    kernels_home: the folder of the compiled CPU kernels; None computes in plain torch.
    step_threads: the threads that compute the steps of these kernels; None is measured.
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
