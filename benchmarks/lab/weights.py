"""A base model and adapters with random weights, in the file formats of real ones."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

from benchmarks.lab.profiles import Profile, Shape

_WRITING_GAIN = 3.0
"""Gain of the linears that write to the residual stream. With a tied head and a weak body the model would only repeat
its last token. The linears that read the stream have gain 1, or rounding would grow from layer to layer."""
_LOGIT_SCALE = 8.0
"""Standard deviation of the logits. Their gaps dwarf bf16 rounding, so greedy output can be compared."""
_ADAPTER_GAIN = 0.7
"""Size of an adapter's output relative to that of its linear, so that its answers differ from the base's."""
_TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}<|assistant|>"


def model_config(shape: Shape) -> LlamaConfig:
    """The Hugging Face configuration of a model of this shape."""
    return LlamaConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=2048,
        tie_word_embeddings=shape.tied,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=None,
    )


def save_base(profile: Profile, folder: Path, seed: int) -> Path:
    """Write the profile's model with random weights and a byte-level tokenizer, as transformers saves it."""
    disable_progress_bar()  # type: ignore[no-untyped-call]
    dtype = torch.bfloat16 if profile.dtype == "bf16" else torch.float32
    with torch.device(profile.device):
        model: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]  # ships none for it
            model_config(profile.shape), dtype=dtype
        )
        torch.manual_seed(seed)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.dim() == 2:
                    parameter.normal_(0.0, _gain(name) / math.sqrt(parameter.shape[1]))
    model.save_pretrained(folder)
    byte_tokenizer(profile.shape.vocab).save_pretrained(folder)
    return folder


def _gain(name: str) -> float:
    """The ratio of a matrix's output to its input, in standard deviations."""
    if "embed_tokens" in name or "lm_head" in name:
        return _LOGIT_SCALE
    return _WRITING_GAIN if "o_proj" in name or "down_proj" in name else 1.0


def byte_tokenizer(vocab: int) -> PreTrainedTokenizerFast:
    """A tokenizer with `vocab` tokens: control tokens, one per byte, and words that no text is encoded to."""
    control = ["<|bos|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    tokens = [*control, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokens += [f"w{number}" for number in range(vocab - len(tokens))]
    raw = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # ships none for it
        tokenizer_object=raw, bos_token=control[0], eos_token=control[1], additional_special_tokens=control[2:]
    )
    fast.chat_template = _TEMPLATE
    return fast


def save_adapter(profile: Profile, number: int, folder: Path, seed: int) -> Path:
    """Write adapter `number` of the profile in PEFT's format, on every linear and with B ≠ 0."""
    folder.mkdir(parents=True)
    rank = profile.rank(number)
    save_file(dict(_tensors(profile, rank, seed + 1 + number)), folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None,
        "r": rank,
        "lora_alpha": 2 * rank,
        "target_modules": sorted({name.rpartition(".")[2] for name in profile.shape.linears()}),
        "bias": "none",
        "inference_mode": True,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def _tensors(profile: Profile, rank: int, seed: int) -> Iterator[tuple[str, torch.Tensor]]:
    """α/r is 2. A keeps the scale of its input, and B's output is _ADAPTER_GAIN times the base's."""
    generator = torch.Generator().manual_seed(seed)
    for layer in range(profile.shape.layers):
        for name, (d_in, d_out) in profile.shape.linears().items():
            key = f"base_model.model.model.layers.{layer}.{name}"
            a = torch.randn(rank, d_in, generator=generator) / math.sqrt(d_in)
            b = torch.randn(d_out, rank, generator=generator) * (_gain(name) * _ADAPTER_GAIN / 2 / math.sqrt(rank))
            yield f"{key}.lora_A.weight", a.to(torch.bfloat16)
            yield f"{key}.lora_B.weight", b.to(torch.bfloat16)
