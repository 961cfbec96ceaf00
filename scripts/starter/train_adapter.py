"""`python -m scripts.starter.train_adapter [department …]`: trains LoRA adapters on node/dev/starter/base."""

import json
import sys
from pathlib import Path
from random import Random

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from scripts.starter.corpus import PACK, SEED, Corpus, Datanet, build
from scripts.starter.samples import adapter_epochs
from scripts.starter.training import Schedule, make_deterministic, train

BASE_NAME = "clinic-base"
RANK, ALPHA = 8, 16
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
SCHEDULE = Schedule(steps=300, learning_rate=5e-3, warm_up=30, weight_decay=0.0)


def train_adapter(corpus: Corpus, datanet: Datanet, base: Path, home: Path) -> float:
    """Train one department's adapter and write it as a PEFT folder to `home`. Returns the final training loss."""
    seed = SEED + datanet.department.steward_index
    make_deterministic(seed)
    random = Random(seed)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=list(TARGETS), task_type="CAUSAL_LM")
    adapted = get_peft_model(model, config)
    loss = train(adapted, tokenizer, adapter_epochs(corpus, datanet, random), SCHEDULE, random)
    save_adapter(get_peft_model_state_dict(adapted), home)
    return loss


def save_adapter(state: dict[str, torch.Tensor], home: Path) -> None:
    """Write bf16 weights and only the config fields that matter: PEFT's own dump adds paths and sixty defaults."""
    home.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().to(torch.bfloat16).contiguous() for name, tensor in state.items()}
    save_file(weights, home / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "base_model_name_or_path": BASE_NAME,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": RANK,
        "target_modules": sorted(TARGETS),
        "task_type": "CAUSAL_LM",
        "use_dora": False,
        "use_rslora": False,
    }
    (home / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    for path in home.iterdir():
        path.chmod(0o644)


def main(names: list[str]) -> None:
    """Train the adapters of the named departments, or of all."""
    corpus = build()
    for datanet in corpus.datanets:
        name = datanet.department.name
        if not names or name in names:
            loss = train_adapter(corpus, datanet, PACK / "base", PACK / "adapters" / name)
            print(f"{name}: final loss {loss:.4f}")


if __name__ == "__main__":
    main(sys.argv[1:])
