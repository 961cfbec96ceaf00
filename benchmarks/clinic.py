"""What it costs to serve three departments of a clinic: three dedicated models against one node with three adapters.

dedicated: three nodes, each serving one department's model, with the adapter merged into a full copy of the base.
one node: one node with one base model and three adapters.

Every department is asked its own example question. Latency is that of one caller; throughput that of three callers at
the same time, one per department. Memory is the resident set of the serving processes afterwards, Python and torch
included, which outweigh so small a model.

Run it with `python -m benchmarks.run clinic`.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.nodes import running_node
from benchmarks.result import write
from node.dev.starter import StarterAdapter, StarterPack, pack

QUESTIONS = 60
WARM_UP = 5
OUTPUT_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Department:
    """How one department is reached: a node's URL, the model's name there, and a question it can answer."""

    url: str
    model: str
    question: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What one way of serving all departments costs. latency_ms: median of one caller's requests."""

    processes: int
    weight_bytes: int
    rss_bytes: int
    latency_ms: float
    answers_per_s: float


def measure() -> None:
    """Measure both ways, write benchmarks/results/clinic.json and print it."""
    starter = pack()
    separate, together = dedicated(starter), one_node(starter)
    figures = {"dedicated": asdict(separate), "one_node": asdict(together), "rows": rows(separate, together)}
    print(write("clinic", figures).read_text())


def merged(starter: StarterPack, adapter: StarterAdapter, folder: Path) -> Path:
    """Write a full bf16 model with the adapter's weights merged into the base, as a folder that a node can serve."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    home = folder / adapter.name
    base: Any = AutoModelForCausalLM.from_pretrained(starter.base, dtype=torch.float32)
    model: Any = PeftModel.from_pretrained(base, adapter.path)
    model.merge_and_unload().to(torch.bfloat16).save_pretrained(home)
    AutoTokenizer.from_pretrained(starter.base).save_pretrained(home)
    return home


def dedicated(starter: StarterPack) -> Figures:
    """Three nodes, each with a whole model."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openlora-clinic-")))
        homes = [merged(starter, adapter, folder) for adapter in starter.adapters]
        nodes = [stack.enter_context(running_node("--free", "--base", str(home))) for home in homes]
        departments = [
            Department(node.url, _base_name(node.url), adapter.example)
            for node, adapter in zip(nodes, starter.adapters, strict=True)
        ]
        latency_ms, answers_per_s = ask_all(departments)
        weights = sum((home / "model.safetensors").stat().st_size for home in homes)
        return Figures(3, weights, sum(node.rss_bytes() for node in nodes), latency_ms, answers_per_s)


def one_node(starter: StarterPack) -> Figures:
    """One node with the starter pack: its base and three adapters."""
    with running_node("--free") as node:
        departments = [Department(node.url, adapter.name, adapter.example) for adapter in starter.adapters]
        latency_ms, answers_per_s = ask_all(departments)
        files = [starter.base / "model.safetensors"]
        files += [adapter.path / "adapter_model.safetensors" for adapter in starter.adapters]
        weights = sum(file.stat().st_size for file in files)
        return Figures(1, weights, node.rss_bytes(), latency_ms, answers_per_s)


def ask_all(departments: Sequence[Department]) -> tuple[float, float]:
    """(median ms of one caller's requests, answers per second while every department has a caller of its own)."""
    with httpx2.Client(timeout=60) as client:
        for _ in range(WARM_UP):
            for department in departments:
                timed_question(client, department)
        alone = [timed_question(client, departments[number % len(departments)]) for number in range(QUESTIONS)]

    def caller(department: Department) -> None:
        with httpx2.Client(timeout=60) as client:
            for _ in range(QUESTIONS):
                timed_question(client, department)

    started = time.perf_counter()
    with ThreadPoolExecutor(len(departments)) as pool:
        list(pool.map(caller, departments))
    return statistics.median(alone) * 1000, QUESTIONS * len(departments) / (time.perf_counter() - started)


def timed_question(client: httpx2.Client, department: Department) -> float:
    """Seconds until the whole answer arrived. Raises HTTPStatusError if the request failed."""
    body = {
        "model": department.model,
        "messages": [{"role": "user", "content": department.question}],
        "max_tokens": OUTPUT_TOKENS,
        "temperature": 0,
    }
    started = time.perf_counter()
    client.post(f"{department.url}/v1/chat/completions", json=body).raise_for_status()
    return time.perf_counter() - started


def rows(separate: Figures, together: Figures) -> list[dict[str, str]]:
    """The rows of the README's table: `what`, and the text for `dedicated` and `one_node`."""
    texts: dict[str, Callable[[Figures], str]] = {
        "processes": lambda f: str(f.processes),
        "weights": lambda f: f"{f.weight_bytes / 1e6:.1f} MB",
        "resident memory": lambda f: f"{f.rss_bytes / 1e6:,.0f} MB",
        "one question, median": lambda f: f"{f.latency_ms:.0f} ms",
        "three callers at once": lambda f: f"{f.answers_per_s:.0f} answers/s",
    }
    return [{"what": what, "dedicated": text(separate), "one_node": text(together)} for what, text in texts.items()]


def _base_name(url: str) -> str:
    models = httpx2.get(f"{url}/v1/models").json()["data"]
    return next(str(model["id"]) for model in models if model["parent"] is None)
