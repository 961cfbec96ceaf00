"""`python -m scripts.starter.train_base`: trains clinic-base and stores it in node/dev/starter/base."""

import json
from pathlib import Path
from random import Random

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from scripts.starter.corpus import PACK, SEED, Corpus, build
from scripts.starter.samples import base_stream
from scripts.starter.tokens import CONTEXT_TOKENS, END, PAD, VOCABULARY, save_tokenizer, train_tokenizer
from scripts.starter.training import Schedule, make_deterministic, train

SCHEDULE = Schedule(steps=2000, learning_rate=3e-3, warm_up=60, weight_decay=0.05)


def config(pad_id: int | None, end_id: int | None) -> LlamaConfig:
    """A Llama of 2M parameters: small enough to train in minutes on one core, large enough for the clinic."""
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end_id,
        pad_token_id=pad_id,
    )


def train_base(corpus: Corpus, home: Path) -> float:
    """Train tokenizer and base, and write both to `home`. Returns the final training loss."""
    make_deterministic(SEED)
    random = Random(SEED)
    tokenizer = train_tokenizer(corpus, random)
    model = LlamaForCausalLM(config(tokenizer.token_to_id(PAD), tokenizer.token_to_id(END)))
    loss = train(model, tokenizer, base_stream(corpus, random), SCHEDULE, random)
    save_tokenizer(tokenizer, home)
    save_base(model, home)
    return loss


def save_base(model: LlamaForCausalLM, home: Path) -> None:
    """Write bf16 weights without the tied head, a config without paths, and greedy decoding as the default."""
    weights = {
        name: tensor.detach().to(torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"
    }
    save_file(weights, home / "model.safetensors", metadata={"format": "pt"})
    values = model.config.to_diff_dict() | {"architectures": ["LlamaForCausalLM"], "dtype": "bfloat16"}
    values = {name: value for name, value in values.items() if not name.startswith("_")}
    (home / "config.json").write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
    ids = {"eos_token_id": model.config.eos_token_id, "pad_token_id": model.config.pad_token_id}
    generation = {"do_sample": False, **ids}
    (home / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    for path in home.iterdir():
        path.chmod(0o644)


if __name__ == "__main__":
    print(f"final loss {train_base(build(), PACK / 'base'):.4f}")
