"""How models and the engine are at one moment."""

from dataclasses import dataclass
from enum import Enum

from serving.types.digests import AdapterDigest


class Residency(Enum):
    """Where an adapter version's weights are: the fastest tier that holds them."""

    DEVICE = "device"
    HOST = "host"
    DISK = "disk"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One served name. The base has adapter None; `name@digest` and `base:name` address the same adapter.

    hits: the number of requests for it since the start.
    """

    name: str
    adapter: AdapterDigest | None
    source: str
    rank: int
    adapter_bytes: int
    residency: Residency
    pinned: bool
    in_flight: int
    last_used_at: float | None
    hits: int = 0


@dataclass(frozen=True, slots=True)
class Activity:
    """The adapters in use now. Its size does not depend on how many adapters are idle on disk.

    registered: the number of served names. resident: the cards of all names whose adapter is in memory. running,
    waiting: the models with requests that have begun, and with requests that have not.
    """

    registered: int
    resident: tuple[ModelCard, ...]
    running: frozenset[str]
    waiting: frozenset[str]


@dataclass(frozen=True, slots=True)
class EngineStats:
    """A snapshot for metrics and `ps`. Times are in seconds, memory is in bytes; counters grow since the start.

    kv_used_bytes: pages that sequences hold. kv_kept_bytes: further pages kept for the prefix cache, which sequences
    may take. prompt_tokens: computed prompt tokens, each counted once. prompt_tokens_asked: prompt tokens of all
    sequences that ran, of which prompt_tokens_reused came from the prefix cache. recomputed_tokens: prompt and output
    tokens that were computed again after a preemption. load_stages: for each stage of loading an adapter its name, how
    often it ran, and its seconds in total. load_seconds: the sum of the stages without the wait for a thread. The
    adapter_host fields describe the host tier and are 0 where there is none.
    """

    running: int
    waiting: int
    loading: int
    parked: int
    kv_used_bytes: int
    kv_kept_bytes: int
    kv_budget_bytes: int
    adapter_used_bytes: int
    adapter_budget_bytes: int
    adapters_resident: int
    steps: int
    prompt_tokens: int
    prompt_tokens_asked: int
    prompt_tokens_reused: int
    output_tokens: int
    loads: int
    load_seconds: float
    evictions: int
    recomputed_tokens: int = 0
    preemptions: int = 0
    load_stages: tuple[tuple[str, int, float], ...] = ()
    adapter_host_used_bytes: int = 0
    adapter_host_budget_bytes: int = 0
    adapter_host_hits: int = 0
    adapter_host_evictions: int = 0
