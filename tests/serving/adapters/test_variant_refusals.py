"""What of a variant is not exact is refused by the name of its field, and leaves nothing."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from serving.adapters.base_shape import BaseShape
from serving.adapters.base_weights import BaseWeights
from serving.errors import AdapterIncompatible
from serving.lora.slot import HEAD
from tests.serving.adapters.biased import ingested, llama_with_biases, saved, with_ends
from tests.serving.adapters.tiny import write_adapter

pytestmark = pytest.mark.filterwarnings("ignore")  # PEFT warns about what these adapters do on purpose
WEIGHTS = "adapter_model.safetensors"


def refused(folder: Path, base: BaseShape) -> AdapterIncompatible:
    with pytest.raises(AdapterIncompatible) as refusal:
        ingested(folder, base)
    assert not list((folder.parent / "blobs").glob("*"))
    return refusal.value


NOT_SERVED: dict[str, dict[str, Any]] = {
    "lora_bias": {"use_dora": True, "lora_bias": True},
    "use_dora": {"use_dora": True, "alora_invocation_tokens": [1]},
    "bias": {"bias": "all", "alora_invocation_tokens": [1]},
    "modules_to_save": {"modules_to_save": ["lm_head"], "alora_invocation_tokens": [1]},
    "alora_invocation_tokens": {"target_modules": ["embed_tokens"], "alora_invocation_tokens": [1]},
    "trainable_token_indices": {"trainable_token_indices": [3], "alora_invocation_tokens": [1]},
}


@pytest.mark.parametrize("field", NOT_SERVED)
def test_what_peft_does_not_define_together_is_refused_by_name(field: str, base: BaseShape, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter", **NOT_SERVED[field])

    assert refused(folder, base).field == field


def test_a_bias_of_b_on_an_embedding_is_refused(base: BaseShape, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter", target_modules=["embed_tokens"], lora_bias=True)

    assert refused(folder, base).field == "lora_bias"


@pytest.mark.parametrize("entry", ["norm", "layers.0.self_attn.q_proj", "tokens", "model", "", "head"])
def test_only_whole_ends_are_saved_modules(entry: str, base: BaseShape, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter", modules_to_save=[entry])

    assert refused(folder, base).field == "modules_to_save"


UNCLEAR: dict[str, dict[str, Any]] = {
    "by an expression": {"target_modules": ".*(q_proj|lm_head)"},
    "in two fields": {"target_modules": ["embed_tokens"], "modules_to_save": ["lm_head"]},
    "with a filter": {"target_modules": ["embed_tokens", "q_proj"], "exclude_modules": ["k_proj"]},
}


@pytest.mark.parametrize("config", UNCLEAR.values(), ids=UNCLEAR.keys())
def test_tying_that_depends_on_how_modules_are_named_is_refused(
    config: dict[str, Any], base: BaseShape, tmp_path: Path
) -> None:
    folder = write_adapter(tmp_path / "adapter", ensure_weight_tying=True, **config)

    assert refused(folder, replace(base, tied=True)).field == "ensure_weight_tying"


@pytest.mark.parametrize("config", [{"target_modules": ["embed_tokens"]}, {"modules_to_save": ["lm_head"]}])
def test_ends_that_are_to_be_tied_but_differ_are_refused(
    config: dict[str, Any], base: BaseShape, tmp_path: Path
) -> None:
    (field,) = config
    saved(tmp_path / "adapter", **{field: ["embed_tokens", "lm_head"]})
    fields = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    tied = {**fields, **config, "ensure_weight_tying": True}
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(tied))

    assert refused(tmp_path / "adapter", replace(base, tied=True)).field == "ensure_weight_tying"


TOKENS: dict[str, dict[str, Any]] = {
    "a token twice": {"trainable_token_indices": [3, 3]},
    "a token that does not exist": {"trainable_token_indices": [64]},
    "rows of the head": {"trainable_token_indices": {"lm_head": [3]}},
    "rows of both ends": {"trainable_token_indices": {"embed_tokens": [3], "lm_head": [3]}},
    "beside LoRA there": {"trainable_token_indices": [3], "target_modules": ["embed_tokens"]},
    "beside a whole head": {"trainable_token_indices": [3], "modules_to_save": ["lm_head"]},
}


@pytest.mark.parametrize("config", TOKENS.values(), ids=TOKENS.keys())
def test_rows_that_cannot_be_replaced_are_refused(config: dict[str, Any], base: BaseShape, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter", **config)

    assert refused(folder, base).field == "trainable_token_indices"


MISSING = {
    "trainable_tokens_delta": ({"trainable_token_indices": [3]}, "trainable_token_indices"),
    "lora_magnitude_vector": ({"use_dora": True}, "use_dora"),
    "lora_B.bias": ({"lora_bias": True}, "lora_bias"),
    "base_layer.bias": ({"bias": "lora_only"}, "bias"),
    "k_proj.bias": ({"bias": "all"}, "bias"),
    "lm_head.weight": ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
    "lora_embedding_A": ({"target_modules": ["embed_tokens"]}, "target_modules"),
}


@pytest.mark.parametrize("ending", MISSING)
def test_a_tensor_that_is_missing_refuses_the_adapter_by_its_field(
    ending: str, base: BaseShape, tmp_path: Path
) -> None:
    config, field = MISSING[ending]
    saved(tmp_path / "adapter", **config)
    tensors = load_file(tmp_path / "adapter" / WEIGHTS)
    dropped = next(key for key in tensors if key.endswith(ending))
    save_file({key: tensor for key, tensor in tensors.items() if key != dropped}, tmp_path / "adapter" / WEIGHTS)

    refusal = refused(tmp_path / "adapter", base)

    assert refusal.field == field
    assert dropped in refusal.reason


def test_a_tensor_that_the_config_does_not_ask_for_refuses_the_adapter(base: BaseShape, tmp_path: Path) -> None:
    saved(tmp_path / "adapter", use_dora=True)
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps({**config, "use_dora": False}))

    assert refused(tmp_path / "adapter", base).field == "use_dora"


def test_a_saved_copy_of_the_base_s_end_must_be_the_base_s(base: BaseShape, tmp_path: Path) -> None:
    saved(tmp_path / "adapter", target_modules=["lm_head"])
    tensors = load_file(tmp_path / "adapter" / WEIGHTS)
    key = "base_model.model.lm_head.base_layer.weight"
    assert ingested(tmp_path / "adapter", base).modules.keys() == {HEAD}

    tensors[key][5, 5] += 0.5
    save_file(tensors, tmp_path / "adapter" / WEIGHTS)

    with pytest.raises(AdapterIncompatible, match="differs from this base's"):
        ingested(tmp_path / "adapter", base)


def test_dora_without_the_base_s_files_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "adapter", use_dora=True)

    assert refused(tmp_path / "adapter", with_ends(None)).field == "use_dora"
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "adapter", with_ends(BaseWeights(tmp_path / "empty"))).field == "use_dora"


def test_a_base_whose_files_have_changed_since_it_was_loaded_is_not_read(tmp_path: Path) -> None:
    llama_with_biases().save_pretrained(tmp_path / "base")
    weights = BaseWeights(tmp_path / "base")
    saved(tmp_path / "adapter", use_dora=True)

    llama_with_biases().to(torch.bfloat16).save_pretrained(tmp_path / "base")

    assert "start the node again" in refused(tmp_path / "adapter", with_ends(weights)).reason


def test_a_magnitude_over_a_row_of_nothing_is_refused(base: BaseShape, tmp_path: Path) -> None:
    model = saved(tmp_path / "adapter", use_dora=True)
    weight = model.base_model.model.model.layers[0].self_attn.q_proj.base_layer.weight
    tensors = load_file(tmp_path / "adapter" / WEIGHTS)
    stem = "base_model.model.model.layers.0.self_attn.q_proj.lora"
    tensors[f"{stem}_A.weight"].zero_()
    tensors[f"{stem}_A.weight"][0] = -weight[3].detach() / 2
    tensors[f"{stem}_B.weight"].zero_()
    tensors[f"{stem}_B.weight"][3, 0] = 1.0
    save_file(tensors, tmp_path / "adapter" / WEIGHTS)

    assert "overflows" in refused(tmp_path / "adapter", base).reason
