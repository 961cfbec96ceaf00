"""The training loop of base model and adapters. It is deterministic: seeds, threads and order are fixed."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random

import torch
from tokenizers import Tokenizer
from torch import nn

from scripts.starter.samples import Sample
from scripts.starter.tokens import IGNORED, Encoded, encode

BATCH = 32
BUCKET = 16
"""Number of batches whose samples are sorted by length together, which reduces padding."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Length and learning rate of a training run. warm_up: in steps."""

    steps: int
    learning_rate: float
    warm_up: int
    weight_decay: float

    def factor(self, step: int) -> float:
        """Factor of the learning rate at a step: linear warm-up, then a cosine down to 5 %."""
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done))


def make_deterministic(seed: int) -> None:
    """Seed torch and restrict it to one thread and deterministic algorithms."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)


def train(
    model: nn.Module, tokenizer: Tokenizer, stream: Iterator[Sample], schedule: Schedule, random: Random
) -> float:
    """Train the parameters that require a gradient. Returns the mean loss of the last 20 steps."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=schedule.learning_rate, betas=(0.9, 0.98), weight_decay=schedule.weight_decay
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule.factor)
    model.train()
    losses: list[float] = []
    started = time.monotonic()
    for step, batch in enumerate(islice(_batches(tokenizer, stream, random), schedule.steps)):
        ids, mask, labels = _padded(batch)
        loss = model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(float(loss.detach()))
        if step % 50 == 0 or step == schedule.steps - 1:
            print(f"  step {step:4d}  loss {losses[-1]:.4f}  {time.monotonic() - started:.0f} s", flush=True)
    model.eval()
    return sum(losses[-20:]) / len(losses[-20:])


def _batches(tokenizer: Tokenizer, stream: Iterator[Sample], random: Random) -> Iterator[list[Encoded]]:
    while True:
        bucket = [encode(tokenizer, sample) for sample in islice(stream, BATCH * BUCKET)]
        bucket.sort(key=lambda encoded: len(encoded.ids))
        batches = [bucket[i : i + BATCH] for i in range(0, len(bucket), BATCH)]
        random.shuffle(batches)
        yield from batches


def _padded(batch: list[Encoded]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    longest = max(len(encoded.ids) for encoded in batch)

    def stack(rows: list[list[int]], fill: int) -> torch.Tensor:
        return torch.tensor([row + [fill] * (longest - len(row)) for row in rows])

    ids = stack([encoded.ids for encoded in batch], 0)
    labels = stack([encoded.labels for encoded in batch], IGNORED)
    mask = stack([[1] * len(encoded.ids) for encoded in batch], 0)
    return ids, mask, labels
