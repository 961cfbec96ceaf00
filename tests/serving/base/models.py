"""Small random models as transformers makes them, in memory."""

from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, PreTrainedModel, Qwen2Config, Qwen3Config

SHAPE: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": None,
}
CONTEXT = 256
_KINDS: dict[str, Any] = {
    "llama": LlamaConfig,
    "mistral": MistralConfig,
    "qwen2": Qwen2Config,
    "qwen3": Qwen3Config,
}
_OWN: dict[str, dict[str, Any]] = {"mistral": {"sliding_window": 100}, "qwen3": {"head_dim": 16}}


def config_of(family: str, **changes: Any) -> Any:
    """A small configuration of the family."""
    return _KINDS[family](**{**SHAPE, **_OWN.get(family, {}), **changes})


def model_of(config: Any, dtype: torch.dtype = torch.float32, *, spread: float | None = None) -> PreTrainedModel:
    """A random model, as it is initialised, or with weights of this standard deviation."""
    torch.manual_seed(4)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype).eval().requires_grad_(False)
    assert isinstance(model, PreTrainedModel)
    if spread is not None:
        for name, parameter in model.named_parameters():
            parameter.data.normal_(1.0 if "norm" in name else 0.0, spread)
    return model
