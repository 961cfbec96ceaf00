"""Tokens per second next to the peers: without adapters, with one adapter per request, and one request at a time."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import torch

from benchmarks.lab.clients import Measurement, closed_loop
from benchmarks.lab.lab import BASE, Arm, Lab, ScenarioResult, answered, medians, names, ratio
from benchmarks.lab.peers import HfGenerate, PeftHotswap, PeftMixed, PeftSetAdapter, unavailable
from benchmarks.lab.traffic import Request
from benchmarks.lab.verdict import check
from serving.service import Service


class Peer(Protocol):
    """Something else that can answer the requests on this machine."""

    def answer(self, requests: Sequence[Request]) -> Measurement:
        """Answer all requests, and time it."""
        ...


_ONE_AT_A_TIME = 4


async def base_alone(lab: Lab) -> ScenarioResult:
    """Requests for the base: ours, against transformers' `generate` over one batch of the same requests."""
    profile = lab.profile
    service = await lab.service()
    await lab.warm(service)
    rounds = _rounds(lab, [BASE] * profile.peer_requests)
    peer = await asyncio.to_thread(HfGenerate, lab.base, profile)
    return await _compared(lab, service, [ours("ours", service, rounds), peer_arm(lab, "hf_generate", peer, rounds)])


async def one_adapter_each(lab: Lab) -> ScenarioResult:
    """Every request has its own adapter: ours, against PEFT's mixed batch of the same requests."""
    profile = lab.profile
    count = min(profile.peer_requests, profile.adapters)
    service = await lab.service(count)
    await lab.warm(service, names(count))
    rounds = _rounds(lab, names(count), profile.peer_tokens)
    arms = [ours("ours", service, rounds)]
    if unavailable() is None:
        peer = await asyncio.to_thread(PeftMixed, lab.base, profile, _folders(lab, count))
        arms.append(peer_arm(lab, "peft_mixed", peer, rounds))
    return await _compared(lab, service, arms)


async def adapters_or_none(lab: Lab) -> ScenarioResult:
    """Our own throughput at full length: every request with its own adapter, against no adapters."""
    count = min(lab.profile.concurrency, lab.profile.adapters)
    service = await lab.service(count)
    await lab.warm(service, [*names(count), BASE])
    arms = [
        ours("distinct adapters", service, _rounds(lab, names(count))),
        ours("no adapter", service, _rounds(lab, [BASE] * count)),
    ]
    measurements = await lab.take_turns(arms)
    checks = await check(service, answered(measurements, *measurements), lab.rng)
    compared = {"distinct adapters / no adapter": ratio(measurements, "distinct adapters", "no adapter")}
    return ScenarioResult(medians(measurements), compared, checks)


async def one_at_a_time(lab: Lab) -> ScenarioResult:
    """One caller that changes the adapter with every request: ours, PEFT's set_adapter, PEFT's hotswap_adapter."""
    profile = lab.profile
    count = min(_ONE_AT_A_TIME, profile.adapters)
    service = await lab.service(count)
    await lab.warm(service, names(count))
    rounds = _rounds(lab, names(count), profile.peer_tokens)
    arms = [ours("ours", service, rounds, callers=1)]
    if unavailable() is None:
        peers: dict[str, Callable[..., Peer]] = {"peft_set_adapter": PeftSetAdapter, "peft_hotswap": PeftHotswap}
        for name, make in peers.items():
            peer = await asyncio.to_thread(make, lab.base, profile, _folders(lab, count))
            arms.append(peer_arm(lab, name, peer, rounds))
    return await _compared(lab, service, arms)


def ours(name: str, service: Service, rounds: Sequence[Sequence[Request]], callers: int | None = None) -> Arm:
    """Our arm: a closed loop over the requests of the round. callers: None means one per request."""
    return Arm(name, lambda number: closed_loop(service, rounds[number], callers or len(rounds[number])))


def peer_arm(lab: Lab, name: str, peer: Peer, rounds: Sequence[Sequence[Request]]) -> Arm:
    """A peer's arm over the same requests. The engine thread is idle meanwhile."""

    def answer(requests: Sequence[Request]) -> Measurement:
        torch.set_num_threads(lab.threads)  # for this thread, the same number as the engine
        return peer.answer(requests)

    return Arm(name, lambda number: asyncio.to_thread(answer, rounds[number]))


async def _compared(lab: Lab, service: Service, arms: Sequence[Arm]) -> ScenarioResult:
    """The ratios of the first arm, which is ours, to every other arm."""
    measurements = await lab.take_turns(arms)
    checks = await check(service, answered(measurements, "ours"), lab.rng)
    return ScenarioResult(
        medians(measurements), {f"ours / {arm.name}": ratio(measurements, "ours", arm.name) for arm in arms[1:]}, checks
    )


def _rounds(lab: Lab, models: Sequence[str], new_tokens: int | None = None) -> list[list[Request]]:
    """The requests of every turn, and of the rehearsal at the end of the list."""
    return [lab.requests(models, new_tokens) for _ in range(lab.profile.rounds + 1)]


def _folders(lab: Lab, count: int) -> dict[str, Path]:
    return {name: lab.adapter_folder(number, "peer") for number, name in enumerate(names(count))}
