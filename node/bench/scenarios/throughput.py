"""Tokens per second next to the peers: no adapter, one adapter per request, and one request at a time."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from node.bench.lab import BASE, Arm, Found, Lab, answered, medians, names, ratio
from node.bench.load import Load, closed_loop
from node.bench.peers import HfGenerate, PeftHotswap, PeftMixed, PeftSetAdapter, unavailable
from node.bench.traffic import Ask
from node.bench.verdict import check
from serving.service import Service


class Peer(Protocol):
    def answer(self, asks: Sequence[Ask]) -> Load: ...


_ONE_AT_A_TIME = 4


async def base_alone(lab: Lab) -> Found:
    """Requests for the base: ours, and transformers' generate over one batch of the same requests."""
    profile = lab.profile
    service = await lab.service()
    await lab.warm(service)
    rounds = [lab.asks([BASE] * profile.peer_requests) for _ in range(profile.rounds)]
    arms = [ours("ours", service, rounds, profile.concurrency)]
    peer = await asyncio.to_thread(HfGenerate, lab.base, profile)
    arms.append(await peer_arm(lab, "hf_generate", peer, rounds))
    loads = await lab.take_turns(arms)
    checks = await check(service, answered(loads, "ours"), lab.rng)
    return Found(medians(loads), {"ours / hf_generate": ratio(loads, "ours", "hf_generate")}, checks)


async def one_adapter_each(lab: Lab) -> Found:
    """As many callers as adapters, each with one of its own: ours, ours without adapters, PEFT's mixed batch."""
    profile = lab.profile
    count = min(profile.peer_requests, profile.adapters)
    service = await lab.service(count)
    await lab.warm(service, names(count))
    rounds = [lab.asks(names(count), profile.peer_tokens) for _ in range(profile.rounds)]
    plain = [lab.asks([BASE] * count, profile.peer_tokens) for _ in range(profile.rounds)]
    arms = [ours("ours", service, rounds, count), ours("ours_no_adapter", service, plain, count)]
    ratios = [("ours", "ours_no_adapter")]
    if unavailable() is None:
        adapters = {name: lab.adapter_folder(number, "peer") for number, name in enumerate(names(count))}
        peer = await asyncio.to_thread(PeftMixed, lab.base, profile, adapters)
        arms.append(await peer_arm(lab, "peft_mixed", peer, rounds))
        ratios.append(("ours", "peft_mixed"))
    loads = await lab.take_turns(arms)
    checks = await check(service, answered(loads, "ours", "ours_no_adapter"), lab.rng)
    return Found(medians(loads), {f"{a} / {b}": ratio(loads, a, b) for a, b in ratios}, checks)


async def one_at_a_time(lab: Lab) -> Found:
    """One caller who changes the adapter with every request: ours, PEFT's set_adapter, PEFT's hotswap."""
    profile = lab.profile
    count = min(_ONE_AT_A_TIME, profile.adapters)
    service = await lab.service(count)
    await lab.warm(service, names(count))
    rounds = [lab.asks(names(count), profile.peer_tokens) for _ in range(profile.rounds)]
    arms = [ours("ours", service, rounds, 1)]
    if unavailable() is None:
        adapters = {name: lab.adapter_folder(number, "peer") for number, name in enumerate(names(count))}
        peers: dict[str, Callable[..., Peer]] = {"peft_set_adapter": PeftSetAdapter, "peft_hotswap": PeftHotswap}
        for name, make in peers.items():
            peer = await asyncio.to_thread(make, lab.base, profile, adapters)
            arms.append(await peer_arm(lab, name, peer, rounds))
    loads = await lab.take_turns(arms)
    checks = await check(service, answered(loads, "ours"), lab.rng)
    return Found(medians(loads), {f"ours / {arm.name}": ratio(loads, "ours", arm.name) for arm in arms[1:]}, checks)


def ours(name: str, service: Service, rounds: Sequence[Sequence[Ask]], callers: int) -> Arm:
    """A closed loop over the round's requests."""
    return Arm(name, lambda number: closed_loop(service, rounds[number], callers))


async def peer_arm(lab: Lab, name: str, peer: Peer, rounds: Sequence[Sequence[Ask]]) -> Arm:
    """The same requests, after a short warm-up. The engine's thread sleeps meanwhile: it has nothing to do."""
    await asyncio.to_thread(peer.answer, lab.asks([rounds[0][0].model], 2))
    return Arm(name, lambda number: asyncio.to_thread(peer.answer, rounds[number]))
