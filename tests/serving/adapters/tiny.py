"""A tiny Llama and adapters for it: written by PEFT (the oracle), or by hand where only the bytes matter."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from serving.adapters.base_shape import BaseShape, LinearShape
from serving.types import BaseDigest

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import LlamaForCausalLM

BASE_DIGEST = BaseDigest("b" * 64)
LAYERS = 2


def base_shape(**changes: Any) -> BaseShape:
    linears = {
        "self_attn.q_proj": (32, 32),
        "self_attn.k_proj": (32, 16),
        "self_attn.v_proj": (32, 16),
        "self_attn.o_proj": (32, 32),
        "mlp.gate_proj": (32, 48),
        "mlp.up_proj": (32, 48),
        "mlp.down_proj": (48, 32),
    }
    modules = {f"layers.{i}.{name}": LinearShape(*shape) for i in range(LAYERS) for name, shape in linears.items()}
    return BaseShape(**{"name": "tiny-base", "modules": modules, "aliases": frozenset({"acme/tiny"}), **changes})


def llama() -> "LlamaForCausalLM":
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=64,
    )
    return LlamaForCausalLM(config)


def peft_adapter(folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32, **config: Any) -> "PeftModel":
    """Save an adapter with random A and B to `folder` and return PEFT's model of it."""
    from peft import LoraConfig, get_peft_model

    config = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM", **config}
    model = get_peft_model(llama(), LoraConfig(**config))
    torch.manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn_like(parameter).to(dtype)
    model.save_pretrained(folder)
    return model


CONFIG: dict[str, Any] = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "base_model_name_or_path": "acme/tiny",
    "r": 2,
    "lora_alpha": 4,
    "target_modules": ["q_proj"],
}


def weights(rank: int = 2, seed: int = 0) -> dict[str, torch.Tensor]:
    """The tensors that CONFIG asks for."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in range(LAYERS):
        key = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors[f"{key}.lora_A.weight"] = torch.randn(rank, 32, generator=generator)
        tensors[f"{key}.lora_B.weight"] = torch.randn(32, rank, generator=generator)
    return tensors


def write_adapter(
    folder: Path, tensors: dict[str, torch.Tensor] | None = None, *, seed: int = 0, **config: Any
) -> Path:
    """An adapter by hand: CONFIG with changes (a field set to ... is left out), and its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    fields = {name: value for name, value in {**CONFIG, **config}.items() if value is not ...}
    (folder / "adapter_config.json").write_text(json.dumps(fields))
    save_file(weights(seed=seed) if tensors is None else tensors, folder / "adapter_model.safetensors")
    return folder
