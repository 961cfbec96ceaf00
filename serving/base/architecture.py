"""Decides whether the fused decoder computes a Hugging Face model exactly. All other models use the fallback."""

from torch import nn
from transformers import (
    LlamaForCausalLM,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
)

_FAMILIES = {
    LlamaForCausalLM: frozenset({"attention_bias", "mlp_bias"}),
    MistralForCausalLM: frozenset({"sliding_window"}),
    Qwen2ForCausalLM: frozenset({"layer_types", "sliding_window"}),
    Qwen3ForCausalLM: frozenset({"attention_bias", "layer_types", "sliding_window"}),
}
"""The supported classes, each with the configuration fields that only some of them read."""
_COMPUTED = frozenset(
    {
        "head_dim",
        "hidden_act",
        "hidden_size",
        "intermediate_size",
        "max_position_embeddings",
        "num_attention_heads",
        "num_hidden_layers",
        "num_key_value_heads",
        "rms_norm_eps",
        "rope_parameters",
        "tie_word_embeddings",
        "vocab_size",
    }
)
"""Fields that the fused decoder obeys, in its own code or because they only set shapes and rotary tables."""
_WITHOUT_EFFECT = frozenset(
    {
        "_attn_implementation_autoset",
        "_name_or_path",
        "architectures",
        "attention_dropout",
        "bos_token_id",
        "dtype",
        "eos_token_id",
        "id2label",
        "initializer_range",
        "is_llama_config",
        "label2id",
        "max_window_layers",
        "model_type",
        "pad_token_id",
        "return_dict",
        "torch_dtype",
        "transformers.js_config",
        "transformers_version",
        "unsloth_fixed",
        "unsloth_version",
        "use_cache",
        "use_sliding_window",
    }
)
"""Fields for training or bookkeeping, and fields that the configuration's class has turned into one of the above."""

_NO_SPLIT = ("pretraining_tp", 1)


def is_understood(model: PreTrainedModel) -> bool:
    """Whether the fused decoder computes every field of the configuration and every module of the model."""
    own = _FAMILIES.get(type(model))
    if own is None:
        return False
    fields = model.config.to_dict()
    known = own | _COMPUTED | _WITHOUT_EFFECT
    if any(value and name not in known and (name, value) != _NO_SPLIT for name, value in fields.items()):
        return False
    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return fields["hidden_act"] == "silu" and all(type(each) is nn.Linear for each in linears)
