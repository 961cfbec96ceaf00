"""A snapshot of the engine for metrics and `ps`."""

from collections import Counter
from dataclasses import dataclass, field

from serving.engine.scheduler import Scheduler
from serving.engine.sequence import Stage
from serving.types import EngineStats


@dataclass(slots=True)
class Counters:
    """Totals since the start. Owned by the engine thread."""

    steps: int = 0
    prompt_tokens: int = 0
    recomputed_tokens: int = 0
    output_tokens: int = 0
    load_stages: dict[str, tuple[int, float]] = field(default_factory=dict)
    """For each stage of loading adapters: how often it ran, and its seconds in total."""

    def record_load(self, stages: dict[str, float]) -> None:
        """Counts one load of an adapter. stages: the seconds of each stage."""
        for stage, took_s in stages.items():
            times, seconds = self.load_stages.get(stage, (0, 0.0))
            self.load_stages[stage] = times + 1, seconds + took_s


def snapshot(scheduler: Scheduler, counters: Counters, page_bytes: int) -> EngineStats:
    """The statistics of the engine now. page_bytes: the memory of one page of the KV cache."""
    pages, slots = scheduler.pages, scheduler.slots
    stages = Counter(sequence.stage for sequence in scheduler.sequences)
    return EngineStats(
        running=stages[Stage.RUNNING],
        waiting=stages[Stage.READY],
        loading=stages[Stage.LOADING],
        parked=stages[Stage.PARKED],
        kv_used_bytes=pages.held * page_bytes,
        kv_kept_bytes=pages.kept * page_bytes,
        kv_budget_bytes=pages.num_pages * page_bytes,
        adapter_used_bytes=slots.used_bytes,
        adapter_budget_bytes=slots.budget_bytes,
        adapters_resident=slots.resident_count,
        steps=counters.steps,
        prompt_tokens=counters.prompt_tokens,
        prompt_tokens_asked=scheduler.prompt_tokens_asked,
        prompt_tokens_reused=scheduler.prompt_tokens_reused,
        recomputed_tokens=counters.recomputed_tokens,
        output_tokens=counters.output_tokens,
        preemptions=scheduler.preemptions,
        loads=slots.loads,
        load_seconds=sum(seconds for stage, (_, seconds) in counters.load_stages.items() if stage != "wait"),
        load_stages=tuple((stage, *counters.load_stages[stage]) for stage in sorted(counters.load_stages)),
        evictions=slots.evictions,
    )
