"""The fused decoder computes what Hugging Face computes, for every family it takes; what it does not know it leaves."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GemmaConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from serving.base.architecture import is_understood
from serving.base.cpu_kernels import kernels_for
from serving.config import KERNELS_HOME, StepThreads
from serving.kv.cache import KvCache
from serving.kv.pages import PAGE_TOKENS, pages_for
from serving.models.fused import FusedDecoder
from serving.models.step import Step, StepForward
from serving.native.decoder import NativeDecoder

ROPE: dict[str, dict[str, Any]] = {
    "default": {"rope_type": "default"},
    "linear": {"rope_type": "linear", "factor": 2.0},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
}


def random_config(family: str, number: int) -> PreTrainedConfig:
    """A small configuration of the family with everything that the family lets one choose."""
    rng = random.Random(f"{family}{number}")
    kv_heads, group, dim = rng.choice([1, 2, 3]), rng.choice([1, 2, 3]), rng.choice([8, 16])
    heads = kv_heads * group
    shape: dict[str, Any] = {
        "vocab_size": 96,
        "hidden_size": heads * rng.choice([8, 12]),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": rng.choice([40, 56]),
        "num_hidden_layers": rng.choice([1, 3]),
        "max_position_embeddings": 256,
        "rms_norm_eps": rng.choice([1e-6, 1e-5]),
        "tie_word_embeddings": rng.random() < 0.5,
        "rope_parameters": {"rope_theta": rng.choice([1e4, 5e5]), **ROPE[rng.choice(list(ROPE))]},
    }
    biased = rng.random() < 0.5
    windows = {"use_sliding_window": rng.random() < 0.6, "sliding_window": 9, "max_window_layers": 1}
    match family:
        case "llama":
            return LlamaConfig(**shape, head_dim=dim, attention_bias=biased, mlp_bias=not biased)
        case "mistral":
            return MistralConfig(**shape, head_dim=dim, sliding_window=rng.choice([None, 9]))
        case "qwen2":
            return Qwen2Config(**shape, **windows)
    return Qwen3Config(**shape, **windows, head_dim=dim, attention_bias=biased)


def random_model(config: PreTrainedConfig, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Every parameter random, biases and norms too: with zeros and ones a forgotten one would not show."""
    torch.manual_seed(11)
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 1.5)
            else:
                parameter.normal_(0.0, 0.15)
    return model.to(dtype)


def decoder_of(model: PreTrainedModel, form: str) -> StepForward:
    if form == "torch":
        return FusedDecoder(model)
    kernels = kernels_for(model.dtype, torch.device("cpu"), KERNELS_HOME.expanduser())
    assert kernels is not None, "the kernels need a C compiler (Debian: apt-get install gcc)"
    return NativeDecoder(model, kernels, context=256, threads=StepThreads(2))


def computed_in_steps(
    decoder: StepForward, dtype: torch.dtype, prompts: list[torch.Tensor], cuts: list[int]
) -> list[torch.Tensor]:
    """Logits of every token: prompts in chunks up to each cut, then token by token, all sequences in one batch."""
    tables = [list(range(i * 8, i * 8 + pages_for(len(prompt)))) for i, prompt in enumerate(prompts)]
    cache = KvCache(decoder.layers, 8 * len(prompts), dtype, torch.device("cpu"))
    places = torch.arange(8 * len(prompts) * PAGE_TOKENS)
    for layer, shape in decoder.layers.items():  # what other sequences left behind must not matter, whatever it is
        rows = torch.full((len(places), shape.elements_per_token), float("nan"), dtype=dtype)
        cache.write(layer, places, rows)
    done = [0] * len(prompts)
    logits: list[list[torch.Tensor]] = [[] for _ in prompts]
    while any(at < len(prompt) for at, prompt in zip(done, prompts, strict=True)):
        spans = {
            i: (at, min(len(prompt), next((cut for cut in cuts if cut > at), at + 1)))
            for i, (at, prompt) in enumerate(zip(done, prompts, strict=True))
            if at < len(prompt)
        }
        order = sorted(spans, key=lambda i: spans[i][1] - spans[i][0] > 1 or spans[i][0] == 0)
        decode_rows = sum(spans[i][1] - spans[i][0] == 1 and spans[i][0] > 0 for i in order)
        tokens = torch.cat([prompts[i][slice(*spans[i])] for i in order])
        positions = torch.cat([torch.arange(*spans[i]) for i in order])
        with torch.inference_mode():
            step = Step(
                tokens, positions, None, [tables[i] for i in order], [spans[i] for i in order], decode_rows, None
            )
            out = decoder.forward(step, cache)
        for i, part in zip(order, out.split([spans[i][1] - spans[i][0] for i in order]), strict=True):
            logits[i].append(part)
            done[i] = spans[i][1]
    return [torch.cat(parts) for parts in logits]


@pytest.mark.parametrize("form", ["torch", "native"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_logits_equal_hugging_faces(family: str, number: int, dtype: torch.dtype, form: str) -> None:
    config = random_config(family, number)
    model = random_model(config, dtype)
    assert is_understood(model)
    rng = torch.Generator().manual_seed(number)
    prompts = [torch.randint(0, 96, (length,), generator=rng) for length in (41, 3, 90, 17)]
    with torch.inference_mode():
        expected = [model(input_ids=prompt[None], use_cache=False).logits[0].float() for prompt in prompts]
        exact = [random_model(config)(input_ids=prompt[None], use_cache=False).logits[0] for prompt in prompts]

    got = computed_in_steps(decoder_of(model, form), dtype, prompts, cuts=[7, 20])

    for ours, theirs, truth in zip(got, expected, exact, strict=True):
        scale = max(1.0, theirs.abs().max().item())
        rounding = (theirs - truth).abs()  # what the dtype costs Hugging Face itself; next to nothing in float32
        assert (ours - theirs).abs().max().item() <= 2e-5 * scale + 4 * rounding.max().item()
        assert (ours - truth).abs().mean().item() <= 1e-6 * scale + 2 * rounding.mean().item()


def test_weights_are_held_once() -> None:
    model = random_model(random_config("llama", 0))
    decoder = FusedDecoder(model)

    for layer, module in zip(decoder.decoder_layers, model.model.layers, strict=True):
        fused = layer.qkv.weight.untyped_storage().data_ptr()
        for linear in (module.self_attn.q_proj, module.self_attn.k_proj, module.self_attn.v_proj):
            assert linear.weight.untyped_storage().data_ptr() == fused


SMALL: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 40,
    "num_hidden_layers": 1,
}


@pytest.mark.parametrize(
    "config",
    [
        GemmaConfig(**SMALL, head_dim=8),
        LlamaConfig(**SMALL, hidden_act="gelu"),
        LlamaConfig(**SMALL, sliding_window=9),
        LlamaConfig(**SMALL, rope_interleaved=True),
        LlamaConfig(**SMALL, logit_scale=0.5),
        Qwen3Config(**SMALL, head_dim=8, mlp_bias=True),
    ],
    ids=["another-class", "activation", "window-llama-lacks", "rope-variant", "unknown-field", "bias-qwen3-lacks"],
)
def test_what_is_not_understood_takes_the_fallback(config: PreTrainedConfig) -> None:
    assert not is_understood(random_model(config))


def test_fields_that_say_false_or_nothing_do_not_matter() -> None:
    assert is_understood(random_model(LlamaConfig(**SMALL, rope_interleaved=False, logit_scale=None)))


def test_a_saved_models_own_configuration_is_understood(tmp_path: Path) -> None:
    random_model(random_config("qwen3", 1)).save_pretrained(tmp_path)

    assert is_understood(AutoModelForCausalLM.from_pretrained(tmp_path))
