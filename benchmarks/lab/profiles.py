"""The profiles: how large the model and the work of a run are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Dtype = Literal["bf16", "fp32"]
Grid = Literal["standard", "quick", "full"]
_FULL_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Shape:
    """A Llama-style decoder with a tied head."""

    vocab: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    tied: bool = True

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    def linears(self) -> dict[str, tuple[int, int]]:
        """(d_in, d_out) of every linear of one layer, by its module name in the layer."""
        kv = self.kv_heads * self.head_size
        wide = self.intermediate
        return {
            "self_attn.q_proj": (self.hidden, self.hidden),
            "self_attn.k_proj": (self.hidden, kv),
            "self_attn.v_proj": (self.hidden, kv),
            "self_attn.o_proj": (self.hidden, self.hidden),
            "mlp.gate_proj": (self.hidden, wide),
            "mlp.up_proj": (self.hidden, wide),
            "mlp.down_proj": (wide, self.hidden),
        }


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of a request: of its prompt and of its output."""

    prompt: int
    new: int


@dataclass(frozen=True, slots=True)
class Profile:
    """One size of the benchmark.

    concurrency: callers of the closed loops.   adapters: registered adapters in scenarios that use many.
    sweep: numbers of registered adapters in scenario A; full_sweep: the same in the full grid.
    lengths, requests: of one turn of an arm.   rounds: turns of every arm, within the scenario's `budget_s` seconds.
    pairs: turns where differences of a few per cent must be resolved.
    peer_requests, peer_tokens: requests and output tokens of turns with a slow peer; our arm does the same work.
    open_lengths, open_requests: of one turn of the open loops that measure latencies; short, so that many fit.
    decode_batches, decode_spreads: how many requests decode together, and over how many adapters they are spread.
    large_rank: rank of the adapter whose load is timed.   ranks: of the adapters, in turn.
    """

    name: str
    shape: Shape
    dtype: Dtype = "bf16"
    device: Literal["cpu", "cuda"] = "cpu"
    lengths: Lengths = Lengths(64, 64)
    concurrency: int = 32
    adapters: int = 32
    sweep: tuple[int, ...] = (5, 32)
    full_sweep: tuple[int, ...] = (5, 32, 128)
    requests: int = 32
    peer_requests: int = 32
    peer_tokens: int = 24
    open_lengths: Lengths = Lengths(16, 6)
    open_requests: int = 334
    decode_batches: tuple[int, ...] = (32,)
    decode_spreads: tuple[int, ...] = (1, 32)
    large_rank: int = 32
    ranks: tuple[int, ...] = (8, 16)
    rounds: int = 3
    pairs: int = 100
    budget_s: float = 90.0
    grid: Grid = "standard"

    @classmethod
    def restored(cls, document: Mapping[str, Any]) -> "Profile":
        """The profile from the JSON document that `dataclasses.asdict` made of it. Raises TypeError and KeyError."""
        fields: dict[str, Any] = {
            name: tuple(each) if isinstance(each, list) else each for name, each in document.items()
        }
        for name, kind in (("shape", Shape), ("lengths", Lengths), ("open_lengths", Lengths)):
            fields[name] = kind(**fields[name])
        return cls(**fields)

    @property
    def is_standard(self) -> bool:
        """Whether this is an unchanged entry of PROFILES; only the figures of such a profile are held to the bars."""
        return self == PROFILES[self.name]

    @property
    def context_tokens(self) -> int:
        """`max_model_len` of the services: twice the longest request."""
        return 2 * (self.lengths.prompt + self.lengths.new)

    @property
    def kv_bytes(self) -> int:
        """Memory of the KV cache: twice the callers at full length, for scenarios with two kinds of traffic."""
        shape = self.shape
        per_token = 2 * shape.layers * shape.kv_heads * shape.head_size * self.dtype_bytes
        callers = max(2 * self.concurrency, *self.decode_batches)
        return callers * (self.lengths.prompt + self.lengths.new + 16) * per_token

    @property
    def dtype_bytes(self) -> int:
        """Bytes of one weight."""
        return 2 if self.dtype == "bf16" else 4

    def rank(self, adapter: int) -> int:
        """Rank of the adapter with this number."""
        return self.ranks[adapter % len(self.ranks)]

    def adapter_bytes(self, adapter: int) -> int:
        """Device memory of the adapter with this number, which adapts all linears."""
        return self.rank_bytes(self.rank(adapter))

    def rank_bytes(self, rank: int) -> int:
        """Device memory of an all-linear adapter of this rank."""
        width = sum(d_in + d_out for d_in, d_out in self.shape.linears().values())
        return width * rank * self.shape.layers * self.dtype_bytes

    def quick(self) -> "Profile":
        """A smoke test: one short turn of every arm."""
        return replace(
            self,
            rounds=1,
            pairs=2,
            budget_s=min(self.budget_s, 20.0),
            lengths=replace(self.lengths, new=max(4, self.lengths.new // 4)),
            peer_tokens=max(4, self.peer_tokens // 4),
            requests=max(4, self.requests // 4),
            open_requests=max(8, self.open_requests // 8),
            adapters=max(4, self.adapters // 4),
            sweep=tuple(max(2, count // 8) for count in self.sweep),
            grid="quick",
        )

    def full(self) -> "Profile":
        """The grid that takes hours: at least 1,000 requests a turn, more adapters, and every turn of the profile."""
        return replace(
            self,
            requests=max(1000, self.requests),
            open_requests=max(1000, self.open_requests),
            sweep=self.full_sweep,
            budget_s=_FULL_S,
            grid="full",
        )


_CPU = Profile(
    name="cpu",  # SmolLM2-135M
    shape=Shape(vocab=49152, hidden=576, intermediate=1536, layers=30, heads=9, kv_heads=3),
    peer_tokens=14,
)
_CI = replace(
    _CPU,
    name="ci",
    shape=Shape(vocab=4096, hidden=256, intermediate=688, layers=4, heads=4, kv_heads=2),
    lengths=Lengths(32, 16),
    adapters=64,
    sweep=(5, 100, 500, 2000),
    full_sweep=(5, 20, 100, 500, 1000, 2000),
    requests=192,
    peer_tokens=16,
    open_lengths=Lengths(32, 16),
)
_TINY = replace(
    _CPU,
    name="tiny",
    shape=Shape(vocab=384, hidden=64, intermediate=96, layers=2, heads=4, kv_heads=2),
    dtype="fp32",
    lengths=Lengths(8, 8),
    concurrency=4,
    adapters=4,
    sweep=(2, 6),
    full_sweep=(2, 6, 12),
    requests=8,
    peer_requests=4,
    peer_tokens=6,
    open_lengths=Lengths(8, 4),
    open_requests=16,
    decode_batches=(4,),
    decode_spreads=(1, 3),
    rounds=1,
    pairs=3,
    budget_s=20.0,
)
_GPU = replace(
    _CPU,
    name="gpu",  # Llama-3.1-8B
    shape=Shape(vocab=128256, hidden=4096, intermediate=14336, layers=32, heads=32, kv_heads=8, tied=False),
    device="cuda",
    lengths=Lengths(512, 128),
    concurrency=128,
    adapters=256,
    sweep=(1, 64),
    full_sweep=(1, 64, 256, 1000),
    requests=512,
    peer_tokens=32,
    open_lengths=Lengths(512, 32),
    decode_batches=(32, 128, 256),
    decode_spreads=(1, 64, 256, 1000),
    large_rank=16,
    ranks=(16,),
)
PROFILES = {profile.name: profile for profile in (_TINY, _CI, _CPU, _GPU)}
