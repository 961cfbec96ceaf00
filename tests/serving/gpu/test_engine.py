"""The whole engine over the kernels: admission, chunks, prefixes, eviction and sampling, as on any other device."""

import asyncio
import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from serving.base.gpu_kernels import with_kernels
from serving.engine.backbone import Backbone
from serving.gpu.decoder import GpuDecoder
from serving.gpu.trial import is_right
from serving.kv.cache import KvCache
from serving.models.fused import FusedDecoder
from tests.serving.asking import ask
from tests.serving.conftest import Folders, StartService
from tests.serving.driver import StepDriver
from tests.serving.gpu.machine import DEVICE, INTERPRETED, needs_gpu
from tests.serving.gpu.test_decoder import capture
from tests.serving.models.test_fused import random_config, random_model
from tests.serving.tiny import VOCAB

CONTEXT = 256


def driver_of(folders: Folders, work: Path, *, kernels: bool) -> StepDriver:
    """The engine with all adapters. kernels: with a decoder that uses them, whatever the device."""
    work.mkdir()
    backbone = None
    if kernels:
        model = AutoModelForCausalLM.from_pretrained(folders.base, dtype=torch.float32).eval().to(DEVICE)
        with torch.inference_mode():
            decoder = GpuDecoder(FusedDecoder(model), CONTEXT, DEVICE, capture())
        backbone = Backbone(decoder, KvCache(decoder.layers, 512, torch.float32, DEVICE), DEVICE)
    driver = StepDriver(folders.base, work, backbone=backbone)
    for name, folder in folders.adapters.items():
        driver.add(name, folder)
    return driver


def logits_of(driver: StepDriver, requests: int, new_tokens: int) -> dict[str, torch.Tensor]:
    """The logits of every output token of requests of all adapters and the base, by request id."""
    rng = random.Random(3)
    models = [*driver.digests, None]
    prompts = [[rng.randrange(5, VOCAB) for _ in range(rng.choice([2, 18, 40]))] for _ in range(requests)]
    sequences = [
        driver.sequence(f"r{i}", models[i % len(models)], prompt, new_tokens + i // 4)
        for i, prompt in enumerate(prompts)
    ]
    driver.run(sequences)
    return {sequence.request_id: torch.stack(driver.logits[sequence.request_id]) for sequence in sequences}


@pytest.mark.parametrize(("requests", "new_tokens"), [(2, 2), pytest.param(13, 12, marks=pytest.mark.full)])
def test_the_engine_computes_the_same_with_kernels(
    folders: Folders, tmp_path: Path, requests: int, new_tokens: int
) -> None:
    expected = logits_of(driver_of(folders, tmp_path / "plain", kernels=False), requests, new_tokens)

    got = logits_of(driver_of(folders, tmp_path / "kernels", kernels=True), requests, new_tokens)

    for request, logits in expected.items():
        assert torch.equal(got[request].argmax(-1), logits.argmax(-1))
        assert (got[request] - logits).abs().max().item() <= 1e-4


def test_the_trial_finds_the_kernels_right() -> None:
    assert is_right(DEVICE)


@pytest.mark.skipif(not INTERPRETED, reason="needs the interpreter")
def test_the_interpreter_never_serves(caplog: pytest.LogCaptureFixture) -> None:
    decoder = FusedDecoder(random_model(random_config("llama", 0)))

    assert with_kernels(decoder, CONTEXT, DEVICE) is decoder
    assert "unset TRITON_INTERPRET" in caplog.text


@needs_gpu
def test_a_gpu_is_served_with_kernels_and_graphs() -> None:
    decoder = FusedDecoder(random_model(random_config("llama", 0)).to(DEVICE))

    assert isinstance(with_kernels(decoder, CONTEXT, DEVICE), GpuDecoder)


@needs_gpu
async def test_a_gpu_answers_what_a_cpu_answers(start_service: StartService, folders: Folders, tmp_path: Path) -> None:
    services = [await start_service(device=device, adapters_home=tmp_path / device) for device in ("cpu", "cuda")]
    for service in services:
        for name, folder in folders.adapters.items():
            await service.add_adapter(name, f"file:{folder}")
    models = [services[0].base_name, *folders.adapters]

    cpu, gpu = [await asyncio.gather(*(ask(service, model) for model in models * 3)) for service in services]

    assert [answer.tokens for answer in gpu] == [answer.tokens for answer in cpu]
