"""The engine driven step by step on the test's own thread, with the logits of every drawn token."""

import queue
from collections import defaultdict
from pathlib import Path

import torch

from serving.adapter_loader import AdapterLoader
from serving.adapters.blob import AdapterBlob, BlobKey
from serving.adapters.composition import compose, digest_of
from serving.adapters.digests import adapter_digest
from serving.adapters.ingest import ingest
from serving.base.loader import load_base
from serving.config import ServingConfig
from serving.engine.backbone import Backbone
from serving.engine.batch import Batch
from serving.engine.engine import Engine
from serving.engine.mailbox import AdapterFailed, AdapterLoaded, Command
from serving.engine.scheduler import Scheduler
from serving.engine.sequence import Sequence
from serving.kv.pages import PagePool
from serving.kv.prefix import PageKeys
from serving.prompts.detokenize import OutputText, StopStrings
from serving.prompts.invocation import active_from
from serving.tiers.slots import Slots
from serving.types import AdapterDigest, GenerationRequest, Prepared, ResolvedModel, SamplingParams, TokenEvent

GREEDY = SamplingParams(temperature=0.0, ignore_eos=True)


class StepDriver:
    """One tiny model with its adapters, and `run`."""

    def __init__(
        self,
        base: Path,
        work: Path,
        *,
        dtype: str = "fp32",
        adapter_bytes: int = 1 << 24,
        kv_pages: int = 512,
        backbone: Backbone | None = None,
    ):
        config = ServingConfig(base, adapters_home=work, dtype=dtype, kv_bytes=None)  # type: ignore[arg-type]
        self.base = load_base(base, config, lambda what, fraction: None)
        self.work = work
        self.logits: dict[str, list[torch.Tensor]] = defaultdict(list)
        self.digests: dict[str, AdapterDigest] = {}
        self.batch_shapes: list[tuple[int, int]] = []
        self._files: dict[AdapterDigest, Path] = {}
        self._sizes: dict[AdapterDigest, int] = {}
        self._parts: dict[AdapterDigest, list[tuple[AdapterDigest, float]]] = {}
        self._reports: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self.loader = AdapterLoader(lambda digest, allocate, stages: self._open(digest), self.base.device)
        self.scheduler = Scheduler(PagePool(kv_pages), Slots(adapter_bytes))
        self.engine = Engine(
            Recording(backbone or self.base.backbone, self),
            self.scheduler,
            eos_ids=self.base.eos_ids,
            page_bytes=self.base.page_bytes,
            deliver=lambda events: None,
            load=lambda adapter: None,
            stopped=lambda: None,
        )

    def add(self, name: str, folder: Path) -> None:
        digest = adapter_digest(folder)
        self.digests[name], self._files[digest] = digest, folder
        self._sizes[digest] = self._open(digest).nbytes

    def compose(self, name: str, weights: dict[str, float]) -> None:
        """From now on `name` means the weighted sum of adapters that were added before."""
        parts = [(self.digests[part], weight) for part, weight in weights.items()]
        digest = digest_of(parts)
        self.digests[name], self._parts[digest] = digest, parts
        self._sizes[digest] = sum(self._sizes[part] for part, _ in parts)

    def _open(self, digest: AdapterDigest) -> AdapterBlob:
        if digest in self._parts:
            return compose([(self._open(part), weight) for part, weight in self._parts[digest]], digest)
        blobs = self.work / "blobs"
        blobs.mkdir(exist_ok=True)
        key = BlobKey(digest, self.base.digest, self.base.dtype)
        return ingest(digest, self._files[digest], key, self.base.shape, blobs)

    def sequence(
        self,
        request_id: str,
        adapter: str | None,
        prompt: list[int],
        new_tokens: int,
        *,
        sampling: SamplingParams = GREEDY,
        tenant: str = "t",
        granted: int | None = None,
        arrived_at: float = 0.0,
    ) -> Sequence:
        digest = self.digests[adapter] if adapter else None
        invocation = self._open(digest).traits.invocation if digest else ()
        start = active_from(invocation, prompt, adapter or "base")
        model = ResolvedModel(adapter or "base", digest, self._sizes[digest] if digest else 0)
        prepared = Prepared(model, tuple(prompt), new_tokens, sampling=sampling, active_from=start)
        request = GenerationRequest(request_id, prepared, tenant, new_tokens if granted is None else granted)
        text = OutputText(self.base.vocabulary.incremental_text(), StopStrings(sampling.stop))
        keys = PageKeys(self.base.digest, digest, tenant, start)
        return Sequence(request, sampling.seed or 0, text, arrived_at, page_keys=keys)

    def step(self, now: float = 0.0) -> list[TokenEvent]:
        """One turn of the engine's loop; loads it starts have ended when it returns."""
        started = self.scheduler.loads_to_start(now)
        for adapter in started:
            self.loader.start(adapter, self._reports.put)
        for _ in started:
            report = self._reports.get(timeout=60)
            if isinstance(report, AdapterLoaded):
                self.scheduler.adapter_ready(report.slot, report.took_s)
            else:
                assert isinstance(report, AdapterFailed)
                raise AssertionError(report.error)
        events = self.engine.step()
        self.scheduler.check_integrity()
        return events

    def run(self, sequences: list[Sequence]) -> dict[str, list[int]]:
        """Submits all at once and steps until every one has ended: the output tokens by request id."""
        for sequence in sequences:
            self.scheduler.submit(sequence)
        open_ids = {sequence.request_id for sequence in sequences}
        while open_ids:
            open_ids -= {event.request_id for event in self.step() if event.end is not None}
        return {sequence.request_id: sequence.token_ids[sequence.prompt_len :] for sequence in sequences}


class Recording:
    """The backbone, with a note of every row's logits."""

    def __init__(self, backbone: Backbone, driver: StepDriver) -> None:
        self._backbone, self._driver = backbone, driver

    def forward(self, batch: Batch) -> torch.Tensor:
        logits = self._backbone.forward(batch)
        self._driver.batch_shapes.append((batch.decode_rows, len(batch.rows)))
        sampling = [row.sequence for row in batch.rows if row.samples]
        for sequence, row in zip(sampling, logits, strict=True):
            self._driver.logits[sequence.request_id].append(row.cpu())
        return logits
