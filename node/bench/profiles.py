"""How large the model and the work of each profile are. Values only."""

from dataclasses import dataclass, replace
from typing import Literal

Dtype = Literal["bf16", "fp32"]
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
class Profile:
    """One size of the benchmark.

    prompt_tokens, new_tokens: of every request.   concurrency: callers of the closed loops.
    adapters: registered where a scenario asks for many.   sweep: of those in scenario A; full_sweep: in the
    full grid.
    requests: of one turn of an arm.   rounds: turns of every arm, as far as `budget_s` of the scenario allows.
    peer_requests, peer_tokens: of the turns in which a slow peer takes part; both sides do the same work.
    """

    name: str
    shape: Shape
    dtype: Dtype
    device: Literal["cpu", "cuda"]
    prompt_tokens: int
    new_tokens: int
    concurrency: int
    adapters: int
    sweep: tuple[int, ...]
    full_sweep: tuple[int, ...]
    requests: int
    peer_requests: int
    peer_tokens: int
    ranks: tuple[int, ...] = (8, 16)
    rounds: int = 3
    budget_s: float = 90.0

    @property
    def context_tokens(self) -> int:
        return 2 * (self.prompt_tokens + self.new_tokens)

    @property
    def kv_bytes(self) -> int:
        """Pages for twice the callers at full length, as scenarios with two kinds of traffic need."""
        shape = self.shape
        per_token = 2 * shape.layers * shape.kv_heads * shape.head_size * self.dtype_bytes
        return 2 * self.concurrency * (self.prompt_tokens + self.new_tokens + 16) * per_token

    @property
    def dtype_bytes(self) -> int:
        return 2 if self.dtype == "bf16" else 4

    def rank(self, adapter: int) -> int:
        return self.ranks[adapter % len(self.ranks)]

    def adapter_bytes(self, adapter: int) -> int:
        """Device memory of one all-linear adapter."""
        width = sum(d_in + d_out for d_in, d_out in self.shape.linears().values())
        return width * self.rank(adapter) * self.shape.layers * self.dtype_bytes

    def quick(self) -> "Profile":
        """One short turn of every arm: does it run, and roughly how."""
        return replace(
            self,
            rounds=1,
            budget_s=min(self.budget_s, 20.0),
            new_tokens=max(4, self.new_tokens // 4),
            peer_tokens=max(4, self.peer_tokens // 4),
            requests=max(4, self.requests // 4),
            adapters=max(4, self.adapters // 4),
        )

    def full(self) -> "Profile":
        """The grid that takes hours: at least a thousand requests in a turn, more adapters, as many turns as asked."""
        return replace(self, requests=max(1000, self.requests), sweep=self.full_sweep, budget_s=_FULL_S)


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="tiny",
            shape=Shape(vocab=384, hidden=64, intermediate=96, layers=2, heads=4, kv_heads=2),
            dtype="fp32",
            device="cpu",
            prompt_tokens=8,
            new_tokens=8,
            concurrency=4,
            adapters=4,
            sweep=(2, 6),
            full_sweep=(2, 6, 12),
            requests=8,
            peer_requests=4,
            peer_tokens=6,
            rounds=1,
            budget_s=20.0,
        ),
        Profile(
            name="ci",
            shape=Shape(vocab=4096, hidden=256, intermediate=688, layers=4, heads=4, kv_heads=2),
            dtype="bf16",
            device="cpu",
            prompt_tokens=32,
            new_tokens=16,
            concurrency=32,
            adapters=64,
            sweep=(5, 200),
            full_sweep=(5, 100, 500, 2000),
            requests=128,
            peer_requests=32,
            peer_tokens=16,
            budget_s=30.0,
        ),
        Profile(
            name="cpu",
            shape=Shape(vocab=49152, hidden=576, intermediate=1536, layers=30, heads=9, kv_heads=3),
            dtype="bf16",
            device="cpu",
            prompt_tokens=64,
            new_tokens=64,
            concurrency=32,
            adapters=32,
            sweep=(5, 32),
            full_sweep=(5, 32, 128),
            requests=32,
            peer_requests=32,
            peer_tokens=12,
        ),
        Profile(
            name="gpu",
            shape=Shape(vocab=128256, hidden=4096, intermediate=14336, layers=32, heads=32, kv_heads=8, tied=False),
            dtype="bf16",
            device="cuda",
            prompt_tokens=512,
            new_tokens=128,
            concurrency=128,
            adapters=256,
            sweep=(1, 64),
            full_sweep=(1, 64, 256, 1000),
            requests=512,
            peer_requests=32,
            peer_tokens=32,
        ),
    )
}
