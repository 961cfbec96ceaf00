"""Tiny random models, tokenizers and PEFT-saved adapters for tests."""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

VOCAB = 384
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_CORPUS = ["hello world, the cat sat on the mat", "how is the patient? naïve façade", "漢字 and 🎉 emoji", "0123456789"]
_SHAPE: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": None,
}
CONFIGS: dict[str, Any] = {
    "llama": LlamaConfig(**_SHAPE, tie_word_embeddings=True),
    "mistral": MistralConfig(**_SHAPE, sliding_window=12),
    "qwen2": Qwen2Config(**_SHAPE),
    "qwen3": Qwen3Config(**_SHAPE, head_dim=24, tie_word_embeddings=True),
}


def save_base(folder: Path, family: str = "llama", seed: int = 0) -> Path:
    """A random model of the family with a byte-level tokenizer, saved as Hugging Face would."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(CONFIGS[family])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:  # the default scale makes all next tokens nearly equally likely
                parameter.mul_(4.0 if parameter.dim() == 2 and "embed" not in name else 1.0)
            if name.endswith(".bias"):  # zero by default, so nobody would notice it being ignored
                parameter.normal_(0.0, 0.05)
    model.eval().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def tokenizer() -> PreTrainedTokenizerFast:
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<|bos|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        _CORPUS * 9, trainers.BpeTrainer(vocab_size=VOCAB, special_tokens=special, initial_alphabet=alphabet)
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<|bos|>", eos_token="<|end|>", additional_special_tokens=special[2:]
    )
    fast.chat_template = TEMPLATE
    return fast


INVOCATION = [7, 8, 7]
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"},
    "attention": {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]},
    "rslora": {"r": 16, "lora_alpha": 8, "use_rslora": True, "target_modules": "all-linear"},
    "patterns": {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["q_proj", "k_proj", "o_proj", "down_proj", "up_proj"],
        "rank_pattern": {"q_proj": 12, r"layers\.1\.mlp\.down_proj": 3},
        "alpha_pattern": {"k_proj": 24},
    },
    "dora": {"r": 8, "lora_alpha": 16, "use_dora": True, "target_modules": "all-linear"},
    "dora-rslora-patterns": {
        "r": 4,
        "lora_alpha": 8,
        "use_dora": True,
        "use_rslora": True,
        "target_modules": ["q_proj", "k_proj", "o_proj", "down_proj"],
        "rank_pattern": {"q_proj": 12},
        "alpha_pattern": {"k_proj": 24},
    },
    "dora-bias": {"r": 4, "lora_alpha": 8, "use_dora": True, "bias": "all", "target_modules": ["q_proj", "up_proj"]},
    "dora-ends": {
        "r": 4,
        "lora_alpha": 8,
        "use_dora": True,
        "target_modules": ["embed_tokens", "lm_head", "v_proj"],
    },
    "lora-bias": {
        "r": 4,
        "lora_alpha": 12,
        "lora_bias": True,
        "target_modules": ["q_proj", "o_proj", "gate_proj", "lm_head"],
    },
    "bias-all": {"r": 4, "lora_alpha": 8, "bias": "all", "target_modules": ["q_proj", "down_proj"]},
    "bias-lora-only": {"r": 4, "lora_alpha": 8, "bias": "lora_only", "target_modules": ["k_proj", "v_proj"]},
    "fan-in": {"r": 4, "lora_alpha": 8, "fan_in_fan_out": True, "target_modules": ["q_proj", "down_proj"]},
    "head": {"r": 8, "lora_alpha": 16, "target_modules": ["q_proj", "lm_head"]},
    "embedding": {"r": 8, "lora_alpha": 16, "target_modules": ["v_proj", "embed_tokens"]},
    "ends": {
        "r": 6,
        "lora_alpha": 12,
        "use_rslora": True,
        "rank_pattern": {"lm_head": 3},
        "target_modules": ["embed_tokens", "lm_head", "up_proj"],
    },
    "saved-head": {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
    "saved-embedding": {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["q_proj", "lm_head"],
        "modules_to_save": ["embed_tokens"],
    },
    "saved-ends": {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": "all-linear",
        "modules_to_save": ["embed_tokens", "lm_head"],
    },
    "tied": {
        "r": 4,
        "lora_alpha": 12,
        "ensure_weight_tying": True,
        "target_modules": ["q_proj", "embed_tokens"],
    },
    "tied-dora": {
        "r": 4,
        "lora_alpha": 12,
        "use_dora": True,
        "ensure_weight_tying": True,
        "target_modules": ["q_proj", "lm_head"],
    },
    "tied-saved": {
        "r": 4,
        "lora_alpha": 12,
        "ensure_weight_tying": True,
        "target_modules": ["q_proj"],
        "modules_to_save": ["lm_head"],
    },
    "tokens": {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["q_proj"],
        "trainable_token_indices": list(range(9, VOCAB, 5)),
    },
    "activated": {
        "r": 8,
        "lora_alpha": 16,
        "target_modules": ["q_proj", "k_proj", "v_proj", "down_proj", "lm_head"],
        "alora_invocation_tokens": INVOCATION,
    },
    "activated-lora-bias": {
        "r": 4,
        "lora_alpha": 8,
        "lora_bias": True,
        "target_modules": ["q_proj", "v_proj", "up_proj"],
        "alora_invocation_tokens": INVOCATION,
    },
    "wide": {"r": 32, "lora_alpha": 32, "target_modules": ["gate_proj", "up_proj", "down_proj"]},
}


def save_adapter(folder: Path, base: Path, variant: str = "plain", seed: int = 0, **changes: Any) -> Path:
    """A random adapter of the variant, saved by PEFT. All it has differs from the base, B included."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    torch.manual_seed(1000 + seed)
    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **{**VARIANTS[variant], **changes}))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_magnitude_vector" in name:
                parameter.mul_(1 + 0.2 * torch.randn_like(parameter))
            elif "lora_" in name:
                parameter.normal_(0.0, 0.06 if "lora_B" in name or "lora_embedding_B" in name else 0.12)
            elif (
                "modules_to_save" in name
                or "trainable_tokens_delta" in name
                or (parameter.requires_grad and name.endswith(".bias"))
            ):
                parameter.add_(torch.randn_like(parameter), alpha=0.02)
    adapted.save_pretrained(folder)
    return folder


def peft_reference(base: Path, adapters: dict[str, Path]) -> PeftModel:
    """The oracle: Hugging Face's model with all adapters loaded by PEFT in float32."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    names = list(adapters)
    reference = PeftModel.from_pretrained(model, adapters[names[0]], adapter_name=names[0])
    for name in names[1:]:
        reference.load_adapter(adapters[name], adapter_name=name)
    return reference.eval()
