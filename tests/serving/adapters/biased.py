"""A tiny Llama with biases and both ends, and adapters of every variant for it, saved by PEFT."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from serving.adapters.base_shape import BaseShape, End, LinearShape
from serving.adapters.base_weights import BaseWeights
from serving.adapters.blob import AdapterBlob, BlobKey
from serving.adapters.digests import adapter_digest
from serving.adapters.ingest import ingest
from serving.lora.slot import EMBEDDING, HEAD
from tests.serving.adapters.tiny import BASE_DIGEST, base_shape

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import LlamaForCausalLM

TARGETS = ["q_proj", "down_proj"]


def llama_with_biases() -> "LlamaForCausalLM":
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=64,
        attention_bias=True,
    )
    model = LlamaForCausalLM(config)
    for name, parameter in model.named_parameters():
        if name.endswith(".bias"):
            parameter.data.normal_(0.0, 0.3)
    return model.eval()


def with_ends(weights: BaseWeights | None) -> BaseShape:
    shape = base_shape(unserved=frozenset())
    modules = {
        name: LinearShape(linear.d_in, linear.d_out, has_bias="self_attn" in name)
        for name, linear in shape.modules.items()
    }
    ends = {
        EMBEDDING: End("model.embed_tokens", LinearShape(64, 32)),
        HEAD: End("lm_head", LinearShape(32, 64)),
    }
    return replace(shape, modules=modules, ends=ends, weights=weights)


def saved(folder: Path, **config: Any) -> "PeftModel":
    """An adapter whose every tensor differs from what PEFT starts with, and PEFT's model of it."""
    from peft import LoraConfig, get_peft_model

    fields = {"r": 4, "lora_alpha": 8, "target_modules": TARGETS, "task_type": "CAUSAL_LM", **config}
    model = get_peft_model(llama_with_biases(), LoraConfig(**fields))
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_magnitude_vector" in name:
            parameter.data *= 1 + 0.3 * torch.randn_like(parameter)
        elif "lora_" in name:
            parameter.data = 0.3 * torch.randn_like(parameter)
        elif parameter.requires_grad:
            parameter.data += 0.3 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    return model.eval()


def ingested(folder: Path, base: BaseShape, dtype: torch.dtype = torch.float32) -> AdapterBlob:
    return ingest("test", folder, BlobKey(adapter_digest(folder), BASE_DIGEST, dtype), base, folder.parent / "blobs")
