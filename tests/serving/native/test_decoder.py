"""The decoder on the compiled kernels: its threads, its memory and its cache."""

import torch

from serving.config import StepThreads
from serving.kv.cache import KvCache
from serving.models.step import Step
from serving.native.decoder import NativeDecoder
from serving.native.library import Library
from tests.serving.base.models import config_of, model_of

CPU = torch.device("cpu")


def decoder_of(kernels: Library, threads: int = 1) -> NativeDecoder:
    model = model_of(config_of("qwen3"), kernels.dtype, spread=0.1)
    return NativeDecoder(model, kernels, context=64, threads=StepThreads(threads))


def prompt(length: int) -> Step:
    return Step(torch.arange(length), torch.arange(length), None, [[0, 1]], [(0, length)], 0, None)


def test_the_models_weights_are_freed_when_they_are_packed(kernels: Library) -> None:
    model = model_of(config_of("llama"), kernels.dtype)
    NativeDecoder(model, kernels, context=64, threads=StepThreads(1))

    linears = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    assert sum(linear.weight.numel() for linear in linears) == 0


@torch.inference_mode()
def test_threads_share_a_step_without_changing_it(kernels: Library) -> None:
    decoder = decoder_of(kernels)
    cache = KvCache(decoder.layers, 2, kernels.dtype, CPU)
    alone = decoder.forward(prompt(20), cache)

    decoder.threads = StepThreads(2)

    assert torch.equal(decoder.forward(prompt(20), cache), alone)


@torch.inference_mode()
def test_another_cache_can_be_used_afterwards(kernels: Library) -> None:
    decoder = decoder_of(kernels)
    first, second = (KvCache(decoder.layers, 2, kernels.dtype, CPU) for _ in range(2))
    expected = decoder.forward(prompt(20), first)

    assert torch.equal(decoder.forward(prompt(20), second), expected)
    assert torch.equal(first.arena(1), second.arena(1))


@torch.inference_mode()
def test_steps_of_any_size_follow_each_other(kernels: Library) -> None:
    decoder = decoder_of(kernels)
    cache = KvCache(decoder.layers, 2, kernels.dtype, CPU)
    small = decoder.forward(prompt(2), cache)
    large = decoder.forward(prompt(32), cache)

    assert torch.equal(decoder.forward(prompt(2), cache), small)
    assert torch.equal(large[:2].argmax(1), small.argmax(1))


def test_groups_are_what_adapters_are_matched_with(kernels: Library) -> None:
    groups = decoder_of(kernels).groups

    assert [group.members for group in groups[:2]] == [
        ("layers.0.self_attn.q_proj", "layers.0.self_attn.k_proj", "layers.0.self_attn.v_proj"),
        ("layers.0.self_attn.o_proj",),
    ]
    assert len(groups) == 4 * 3
