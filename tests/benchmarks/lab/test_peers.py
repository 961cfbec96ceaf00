"""The peers do the same work as the engine."""

from pathlib import Path

import pytest

from benchmarks.lab.clients import closed_loop
from benchmarks.lab.lab import Lab
from benchmarks.lab.peers import HfGenerate, PeftHotswap, PeftMixed, PeftSetAdapter
from benchmarks.lab.profiles import PROFILES

TINY = PROFILES["tiny"]


@pytest.mark.parametrize("peer", [PeftMixed, PeftSetAdapter, PeftHotswap])
async def test_peers_give_the_same_answers_as_we_do(peer: type[PeftMixed], tmp_path: Path) -> None:
    lab = Lab(TINY, tmp_path / "lab", seed=5)
    await lab.prepare()
    service = await lab.service(3)
    requests = lab.requests(["a0", "a1", "a2"])

    theirs = peer(lab.base, TINY, {f"a{n}": lab.adapter_folder(n) for n in range(3)}).answer(requests)
    ours = await closed_loop(service, requests, 3)

    expected = {answer.request.model: answer.tokens for answer in theirs.answers}
    assert {answer.request.model: answer.tokens for answer in ours.answers} == expected
    assert len(set(expected.values())) == 3
    await lab.close()


async def test_generate_answers_as_the_engine_does_without_adapters(tmp_path: Path) -> None:
    lab = Lab(TINY, tmp_path / "lab", seed=5)
    await lab.prepare()
    service = await lab.service()
    requests = lab.requests(["base"] * 3)

    theirs = HfGenerate(lab.base, TINY).answer(requests)
    ours = await closed_loop(service, requests, 3)

    expected = {answer.request.prompt_ids: answer.tokens for answer in theirs.answers}
    assert {answer.request.prompt_ids: answer.tokens for answer in ours.answers} == expected
    await lab.close()
