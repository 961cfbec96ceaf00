"""Tokens per second next to the peers: no adapter, one adapter per request, and one request at a time."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import torch

from benchmarks.lab.lab import BASE, Arm, Found, Lab, answered, medians, names, ratio
from benchmarks.lab.load import Load, closed_loop
from benchmarks.lab.peers import HfGenerate, PeftHotswap, PeftMixed, PeftSetAdapter, unavailable
from benchmarks.lab.traffic import Ask
from benchmarks.lab.verdict import check
from serving.service import Service


class Peer(Protocol):
    def answer(self, asks: Sequence[Ask]) -> Load: ...


_ONE_AT_A_TIME = 4


async def base_alone(lab: Lab) -> Found:
    """Requests for the base: ours, and transformers' generate over one batch of the same requests."""
    profile = lab.profile
    service = await lab.service()
    await lab.warm(service)
    rounds = _rounds(lab, [BASE] * profile.peer_requests)
    peer = await asyncio.to_thread(HfGenerate, lab.base, profile)
    return await _compared(lab, service, [ours("ours", service, rounds), peer_arm(lab, "hf_generate", peer, rounds)])


async def one_adapter_each(lab: Lab) -> Found:
    """As many callers as adapters, each with one of its own: ours, and PEFT's mixed batch of the same requests."""
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


async def adapters_or_none(lab: Lab) -> Found:
    """Our own throughput at full length: every request with an adapter of its own, and the same without any."""
    count = min(lab.profile.concurrency, lab.profile.adapters)
    service = await lab.service(count)
    await lab.warm(service, [*names(count), BASE])
    arms = [
        ours("distinct adapters", service, _rounds(lab, names(count))),
        ours("no adapter", service, _rounds(lab, [BASE] * count)),
    ]
    loads = await lab.take_turns(arms)
    checks = await check(service, answered(loads, *loads), lab.rng)
    compared = {"distinct adapters / no adapter": ratio(loads, "distinct adapters", "no adapter")}
    return Found(medians(loads), compared, checks)


async def one_at_a_time(lab: Lab) -> Found:
    """One caller who changes the adapter with every request: ours, PEFT's set_adapter, PEFT's hotswap."""
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


def ours(name: str, service: Service, rounds: Sequence[Sequence[Ask]], callers: int | None = None) -> Arm:
    """A closed loop over the round's requests. callers: None means one for each."""
    return Arm(name, lambda number: closed_loop(service, rounds[number], callers or len(rounds[number])))


def peer_arm(lab: Lab, name: str, peer: Peer, rounds: Sequence[Sequence[Ask]]) -> Arm:
    """The same requests. The engine's thread sleeps meanwhile."""

    def answer(asks: Sequence[Ask]) -> Load:
        torch.set_num_threads(lab.threads)  # of this thread, and as many as the engine got
        return peer.answer(asks)

    return Arm(name, lambda number: asyncio.to_thread(answer, rounds[number]))


async def _compared(lab: Lab, service: Service, arms: Sequence[Arm]) -> Found:
    """The first arm, which is ours, with every other."""
    loads = await lab.take_turns(arms)
    checks = await check(service, answered(loads, "ours"), lab.rng)
    return Found(medians(loads), {f"ours / {arm.name}": ratio(loads, "ours", arm.name) for arm in arms[1:]}, checks)


def _rounds(lab: Lab, models: Sequence[str], new_tokens: int | None = None) -> list[list[Ask]]:
    """The requests of every turn and of the rehearsal, which comes last."""
    return [lab.asks(models, new_tokens) for _ in range(lab.profile.rounds + 1)]


def _folders(lab: Lab, count: int) -> dict[str, Path]:
    return {name: lab.adapter_folder(number, "peer") for number, name in enumerate(names(count))}
