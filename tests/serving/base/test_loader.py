"""What can be a base model, and what is refused with a reason."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoXConfig, LlamaConfig, MambaConfig, Qwen3Config

from serving.base.loader import BaseModel, load_base
from serving.config import ServingConfig
from serving.errors import BaseModelUnusable
from tests.serving.driver import StepDriver
from tests.serving.tiny import VOCAB, save_base, tokenizer


def load(folder: Path, **settings: object) -> BaseModel:
    config = ServingConfig(folder, adapters_home=folder / "home", kv_bytes=1 << 20, **{"dtype": "fp32", **settings})  # type: ignore[arg-type]
    return load_base(folder, config, lambda what, fraction: None)


def save(folder: Path, config: object) -> Path:
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).eval().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


SMALL = {"vocab_size": VOCAB, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None}


@pytest.mark.parametrize(
    "config",
    [
        GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=64, **SMALL),
        GPTNeoXConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, **SMALL),
        Qwen3Config(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            intermediate_size=48,
            max_position_embeddings=128,
            **SMALL,
        ),
    ],
    ids=["gpt2", "gpt-neox", "qwen3"],
)
def test_other_architectures_generate_as_hugging_face_does(tmp_path: Path, config: object) -> None:
    folder = save(tmp_path / "base", config)
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    driver = StepDriver(folder, tmp_path)
    prompts = [[9, 8, 7], [30] * 20, [5]]

    outputs = driver.run([driver.sequence(f"s{i}", None, prompt, 12) for i, prompt in enumerate(prompts)])

    for i, prompt in enumerate(prompts):
        with torch.inference_mode():
            logits = reference(input_ids=torch.tensor([prompt + outputs[f"s{i}"]])).logits[0, len(prompt) - 1 : -1]
        assert torch.allclose(torch.stack(driver.logits[f"s{i}"]), logits, atol=1e-4)


def test_a_model_that_does_not_attend_through_the_interface_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "base", MambaConfig(hidden_size=32, num_hidden_layers=2, state_size=4, **SMALL))

    with pytest.raises(BaseModelUnusable):
        load(folder)


def test_bf16_logits_stay_close_to_float32(tmp_path: Path) -> None:
    folder = save_base(tmp_path / "base")
    prompt = list(range(10, 40))
    logits = {}
    for dtype in ("fp32", "bf16"):
        driver = StepDriver(folder, tmp_path, dtype=dtype)
        driver.run([driver.sequence("s", None, prompt, 1)])
        logits[dtype] = driver.logits["s"][0]

    scale = logits["fp32"].abs().max().item()
    assert (logits["fp32"] - logits["bf16"]).abs().max().item() <= 0.05 * scale


def test_the_digest_names_weights_config_and_tokenizer(tmp_path: Path) -> None:
    folder = save_base(tmp_path / "base")
    before = load(folder)
    (folder / "README.md").write_text("changes nothing")
    assert load(folder).digest == before.digest

    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "note": 1}))
    after = load(folder)

    assert after.digest != before.digest
    assert after.tokenizer_digest != before.tokenizer_digest


def test_a_shorter_context_can_be_asked_for_but_not_a_longer_one(tmp_path: Path) -> None:
    folder = save_base(tmp_path / "base")

    assert load(folder).context_tokens == 256
    assert load(folder, max_model_len=64).context_tokens == 64
    with pytest.raises(BaseModelUnusable, match="256"):
        load(folder, max_model_len=257)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_an_incomplete_folder_is_refused(tmp_path: Path, missing: str) -> None:
    folder = save_base(tmp_path / "base")
    (folder / missing).unlink()

    with pytest.raises(BaseModelUnusable):
        load(folder)


def test_weights_that_lack_a_tensor_are_refused_rather_than_made_up(tmp_path: Path) -> None:
    folder = save_base(tmp_path / "base")
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(BaseModelUnusable, match="up_proj"):
        load(folder)


def test_truncated_weights_are_refused(tmp_path: Path) -> None:
    folder = save_base(tmp_path / "base")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])

    with pytest.raises(BaseModelUnusable):
        load(folder)


def test_scalings_that_look_at_the_whole_batch_are_kept_below_the_original_length(tmp_path: Path) -> None:
    rope = {
        "rope_type": "longrope",
        "rope_theta": 1e4,
        "factor": 4.0,
        "original_max_position_embeddings": 64,
        "short_factor": [1.0] * 8,
        "long_factor": [2.0] * 8,
    }
    config = LlamaConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=256,
        rope_parameters=rope,
        **SMALL,
    )

    assert load(save(tmp_path / "base", config)).context_tokens == 64
