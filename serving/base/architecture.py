"""Which Hugging Face models the fused decoder computes exactly. Everything else takes the fallback."""

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
"""The classes, and what each reads of its configuration that not all of them do."""
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
"""Fields the fused decoder follows: in its own code, or because they only decide shapes and rotary tables."""
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
"""Fields of training, of bookkeeping, or already turned into one of the above by the configuration's class."""

_NO_SPLIT = ("pretraining_tp", 1)


def is_understood(model: PreTrainedModel) -> bool:
    """Whether every field of the configuration and every module of the model is one the fused decoder computes."""
    own = _FAMILIES.get(type(model))
    if own is None:
        return False
    fields = model.config.to_dict()
    known = own | _COMPUTED | _WITHOUT_EFFECT
    if any(value and name not in known and (name, value) != _NO_SPLIT for name, value in fields.items()):
        return False
    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return fields["hidden_act"] == "silu" and all(type(each) is nn.Linear for each in linears)
