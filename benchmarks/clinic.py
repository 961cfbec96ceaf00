"""`python -m benchmarks.clinic`: what three departments cost, as three dedicated models and as one node.

dedicated: three nodes, each serving one department's model: base and adapter merged into one full copy.
one node: the same program with one base model and three adapters.

The question is each department's own example. Latency is of one caller; throughput is of three callers, one for each
department, at the same time. Memory is what the operating system says the serving processes hold afterwards: Python
and torch included, which outweigh a model this small. Writes benchmarks/results/clinic.json.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2

from benchmarks.nodes import running_node
from benchmarks.record import write
from node.dev.starter import StarterAdapter, StarterPack, pack

QUESTIONS = 60
WARM_UP = 5
OUTPUT_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one department is asked: a node's URL, the model's name there, and a question it can answer."""

    url: str
    model: str
    question: str


@dataclass(frozen=True, slots=True)
class Figures:
    """One way of serving all departments."""

    processes: int
    weight_bytes: int
    rss_bytes: int
    latency_ms: float
    answers_per_s: float


def merged(starter: StarterPack, adapter: StarterAdapter, folder: Path) -> Path:
    """A full model with the adapter's weights in it, in bf16, as a folder that a node can serve."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    home = folder / adapter.name
    base = AutoModelForCausalLM.from_pretrained(starter.base, dtype=torch.float32)
    PeftModel.from_pretrained(base, adapter.path).merge_and_unload().to(torch.bfloat16).save_pretrained(home)
    AutoTokenizer.from_pretrained(starter.base).save_pretrained(home)
    return home


def dedicated(starter: StarterPack) -> Figures:
    """Three nodes, a whole model each."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openlora-clinic-")))
        homes = [merged(starter, adapter, folder) for adapter in starter.adapters]
        nodes = [stack.enter_context(running_node("--free", "--base", str(home))) for home in homes]
        desks = [
            Desk(node.url, _base_name(node.url), adapter.example)
            for node, adapter in zip(nodes, starter.adapters, strict=True)
        ]
        latency_ms, answers_per_s = ask_all(desks)
        weights = sum((home / "model.safetensors").stat().st_size for home in homes)
        return Figures(3, weights, sum(node.rss_bytes() for node in nodes), latency_ms, answers_per_s)


def one_node(starter: StarterPack) -> Figures:
    """One node with the starter pack."""
    with running_node("--free") as node:
        desks = [Desk(node.url, adapter.name, adapter.example) for adapter in starter.adapters]
        latency_ms, answers_per_s = ask_all(desks)
        files = [starter.base / "model.safetensors"]
        files += [adapter.path / "adapter_model.safetensors" for adapter in starter.adapters]
        weights = sum(file.stat().st_size for file in files)
        return Figures(1, weights, node.rss_bytes(), latency_ms, answers_per_s)


def ask_all(desks: Sequence[Desk]) -> tuple[float, float]:
    """Median milliseconds of a question asked alone, and answers per second when every desk has a caller."""
    with httpx2.Client(timeout=60) as client:
        for desk in desks * WARM_UP:
            ask(client, desk)
        alone = [ask(client, desks[number % len(desks)]) for number in range(QUESTIONS)]

    def caller(desk: Desk) -> None:
        with httpx2.Client(timeout=60) as client:
            for _ in range(QUESTIONS):
                ask(client, desk)

    started = time.perf_counter()
    with ThreadPoolExecutor(len(desks)) as pool:
        list(pool.map(caller, desks))
    return statistics.median(alone) * 1000, QUESTIONS * len(desks) / (time.perf_counter() - started)


def ask(client: httpx2.Client, desk: Desk) -> float:
    """Seconds until the whole answer was there."""
    body = {
        "model": desk.model,
        "messages": [{"role": "user", "content": desk.question}],
        "max_tokens": OUTPUT_TOKENS,
        "temperature": 0,
    }
    started = time.perf_counter()
    client.post(f"{desk.url}/v1/chat/completions", json=body).raise_for_status()
    return time.perf_counter() - started


def rows(separate: Figures, together: Figures) -> list[dict[str, str]]:
    """The table of the README."""
    shown = {
        "processes": lambda f: str(f.processes),
        "weights": lambda f: f"{f.weight_bytes / 1e6:.1f} MB",
        "resident memory": lambda f: f"{f.rss_bytes / 1e6:,.0f} MB",
        "one question, median": lambda f: f"{f.latency_ms:.0f} ms",
        "three callers at once": lambda f: f"{f.answers_per_s:.0f} answers/s",
    }
    return [{"what": what, "dedicated": show(separate), "one_node": show(together)} for what, show in shown.items()]


def _base_name(url: str) -> str:
    models = httpx2.get(f"{url}/v1/models").json()["data"]
    return next(str(model["id"]) for model in models if model["parent"] is None)


def main() -> None:
    starter = pack()
    separate, together = dedicated(starter), one_node(starter)
    figures = {"dedicated": asdict(separate), "one_node": asdict(together), "rows": rows(separate, together)}
    print(write("clinic", figures).read_text())


if __name__ == "__main__":
    main()
