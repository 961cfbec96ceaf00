"""What a variant comes to in its blob, with PEFT's own layers as the oracle."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from serving.adapters.base_shape import BaseShape
from serving.adapters.base_weights import BaseWeights
from serving.lora.reference import adapted
from serving.lora.slot import EMBEDDING, HEAD
from tests.serving.adapters.biased import ingested, llama_with_biases, saved, with_ends
from tests.serving.adapters.tiny import write_adapter

pytestmark = pytest.mark.filterwarnings("ignore")  # PEFT warns about what these adapters do on purpose
VARIANTS: dict[str, dict[str, Any]] = {
    "DoRA": {"use_dora": True},
    "DoRA with rsLoRA and patterns": {
        "use_dora": True,
        "use_rslora": True,
        "rank_pattern": {"q_proj": 7},
        "alpha_pattern": {"down_proj": 3},
    },
    "DoRA and all biases": {"use_dora": True, "bias": "all"},
    "DoRA and the biases of its layers": {"use_dora": True, "bias": "lora_only"},
    "a bias of B": {"lora_bias": True},
    "a bias of B with patterns": {"lora_bias": True, "rank_pattern": {"q_proj": 7}, "alpha_pattern": {"q_proj": 3}},
    "a bias of B and all biases": {"lora_bias": True, "bias": "all"},
    "all biases": {"bias": "all"},
    "the biases of its layers": {"bias": "lora_only"},
    "the head": {"target_modules": ["q_proj", "lm_head"]},
    "the head with DoRA": {"target_modules": ["q_proj", "lm_head"], "use_dora": True},
    "a whole head": {"modules_to_save": ["lm_head"]},
}


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS.keys())
def test_the_formula_computes_what_peft_s_layer_computes(
    config: dict[str, Any], base: BaseShape, tmp_path: Path
) -> None:
    model = saved(tmp_path / "adapter", **config)

    blob = ingested(tmp_path / "adapter", base)

    plain = dict(llama_with_biases().named_modules())
    for name, module in blob.modules.items():
        full_name = name if name == HEAD else f"model.{name}"
        theirs = model.base_model.model.get_submodule(full_name)
        x = torch.randn(9, plain[full_name].in_features)
        with torch.inference_mode():
            y = plain[full_name](x) if module.weight is None else x @ module.weight.T
            torch.testing.assert_close(adapted(y, x, [module] * 9), theirs(x), atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("use_dora", [False, True])
def test_an_embedding_is_a_linear_layer_of_one_hot_rows(base: BaseShape, tmp_path: Path, *, use_dora: bool) -> None:
    model = saved(tmp_path / "adapter", target_modules=["embed_tokens", "v_proj"], use_dora=use_dora)
    ids = torch.arange(64)

    module = ingested(tmp_path / "adapter", base).modules[EMBEDDING]

    before = llama_with_biases().model.embed_tokens(ids)
    one_hot = torch.nn.functional.one_hot(ids).float()
    with torch.inference_mode():
        expected = model.base_model.model.model.embed_tokens(ids)
        torch.testing.assert_close(adapted(before, one_hot, [module] * 64), expected, atol=1e-5, rtol=1e-5)


def test_the_parts_of_a_variant_lie_aligned_in_one_block(base: BaseShape, tmp_path: Path) -> None:
    saved(tmp_path / "adapter", use_dora=True, bias="all", modules_to_save=["embed_tokens", "lm_head"])

    blob = ingested(tmp_path / "adapter", base, torch.bfloat16)

    start, end = blob.payload.data_ptr(), blob.payload.data_ptr() + blob.nbytes
    dora = blob.modules["layers.0.self_attn.q_proj"]
    assert dora.gain is not None
    assert dora.offset is not None
    assert (dora.gain.dtype, dora.offset.dtype) == (torch.float32, torch.float32)
    for module in blob.modules.values():
        for part in (module.a, module.b, module.gain, module.offset, module.weight):
            if part is not None:
                assert part.is_contiguous()
                assert part.data_ptr() % 64 == 0
                assert start <= part.data_ptr() < part.data_ptr() + part.nbytes <= end


def test_what_only_a_bias_changes_has_a_rank_that_kernels_know(base: BaseShape, tmp_path: Path) -> None:
    saved(tmp_path / "adapter", bias="all")

    module = ingested(tmp_path / "adapter", base).modules["layers.0.self_attn.k_proj"]

    assert module.rank == 1
    assert not module.a.any()
    assert module.gain is None
    assert module.offset is not None


def test_traits_are_kept_in_the_blob(base: BaseShape, tmp_path: Path) -> None:
    saved(tmp_path / "adapter", alora_invocation_tokens=[5, 6])

    traits = ingested(tmp_path / "adapter", base).traits

    assert (traits.invocation, traits.variant) == ((5, 6), "alora_invocation_tokens")


@pytest.mark.parametrize("layout", ["sharded", "without the model's prefix"])
def test_the_base_s_files_are_read_however_they_are_laid_out(layout: str, base: BaseShape, tmp_path: Path) -> None:
    saved(tmp_path / "adapter", use_dora=True, target_modules=["q_proj"])
    expected = ingested(tmp_path / "adapter", base).modules["layers.1.self_attn.q_proj"]
    model = llama_with_biases()
    if layout == "sharded":
        model.save_pretrained(tmp_path / "base", max_shard_size="20KB")
        assert not (tmp_path / "base" / "model.safetensors").exists()
    else:
        model.model.save_pretrained(tmp_path / "base")

    got = ingested(tmp_path / "adapter", with_ends(BaseWeights(tmp_path / "base"))).modules["layers.1.self_attn.q_proj"]

    assert expected.gain is not None
    assert got.gain is not None
    assert torch.equal(got.gain, expected.gain)


def test_a_head_that_is_stored_once_is_found_under_the_embedding(base: BaseShape, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    embedding = torch.randn(64, 32)
    save_file({"model.embed_tokens.weight": embedding}, tmp_path / "base" / "model.safetensors")
    weights = BaseWeights(tmp_path / "base", tied={"lm_head": "model.embed_tokens"})

    ((rows, read),) = weights.rows("lm_head", 64, 32)

    assert rows == slice(0, 64)
    assert torch.equal(read, embedding)


def test_conv1d_s_flag_changes_nothing_on_linear_layers(base: BaseShape, tmp_path: Path) -> None:
    plain = write_adapter(tmp_path / "plain")
    flagged = write_adapter(tmp_path / "flagged", fan_in_fan_out=True)

    one, other = (ingested(folder, base) for folder in (plain, flagged))

    assert torch.equal(one.payload, other.payload)
