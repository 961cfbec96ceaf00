"""The tensors of a PEFT file are read into the fields that the config implies, and no others are accepted."""

import json
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from serving.adapters.base_shape import BaseShape
from serving.adapters.spec import AdapterSpec
from serving.adapters.tensors import check_layout, read_modules
from serving.errors import AdapterCorrupt, AdapterIncompatible, StorageFailed
from tests.serving.adapters.biased import saved
from tests.serving.adapters.tiny import CONFIG, base_shape, write_adapter
from tests.serving.exhausted import no_descriptors

WEIGHTS = "adapter_model.safetensors"
SPEC = AdapterSpec.parse(json.dumps(CONFIG).encode(), base_shape(), "test")


def test_every_tensor_of_a_plain_adapter_is_read_in_float32(tmp_path: Path) -> None:
    stored = {name: tensor.bfloat16() for name, tensor in load_file(write_adapter(tmp_path / "x") / WEIGHTS).items()}
    path = write_adapter(tmp_path / "x", stored) / WEIGHTS

    check_layout(path, SPEC, "test")
    modules = list(read_modules(path, SPEC, "test"))

    assert [tensors.module for tensors in modules] == list(SPEC.modules)
    for tensors in modules:
        stem = f"base_model.model.{tensors.module.full_name}"
        assert tensors.a is not None and tensors.a.dtype == torch.float32  # noqa: PT018
        assert torch.equal(tensors.a, stored[f"{stem}.lora_A.weight"].float())
        assert tensors.bias is tensors.magnitude is tensors.weight is None


def test_each_variant_fills_its_fields(base: BaseShape, tmp_path: Path) -> None:
    saved(tmp_path / "x", use_dora=True, bias="lora_only", modules_to_save=["lm_head"])
    spec = AdapterSpec.parse((tmp_path / "x" / "adapter_config.json").read_bytes(), base, "test")

    filled = {
        tensors.module.name.rpartition(".")[2]: {
            f.name for f in fields(tensors) if getattr(tensors, f.name) is not None
        }
        for tensors in read_modules(tmp_path / "x" / WEIGHTS, spec, "test")
    }

    assert filled["q_proj"] == {"module", "a", "b", "magnitude", "bias"}
    assert filled["down_proj"] == {"module", "a", "b", "magnitude"}
    assert filled["lm_head"] == {"module", "weight"}


def test_a_missing_file_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(AdapterCorrupt, match="it cannot be read: No such file"):
        check_layout(tmp_path / "none", SPEC, "test")


def test_the_field_that_a_surplus_tensor_would_follow_from_is_named(tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "x") / WEIGHTS
    extra = "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector"
    save_file({**load_file(path), extra: torch.ones(32)}, path)

    with pytest.raises(AdapterIncompatible, match="use_dora: 1 tensors belong to no layer that the config changes"):
        check_layout(path, SPEC, "test")


def test_a_file_that_this_process_cannot_open_is_not_called_damaged(tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "x") / WEIGHTS

    for read in (lambda: check_layout(path, SPEC, "test"), lambda: list(read_modules(path, SPEC, "test"))):
        with no_descriptors(), pytest.raises(StorageFailed, match="Too many open files"):
            read()


def test_a_file_that_is_missing_is_the_adapter_s_fault(tmp_path: Path) -> None:
    missing = tmp_path / "missing.safetensors"

    for read in (lambda: check_layout(missing, SPEC, "test"), lambda: list(read_modules(missing, SPEC, "test"))):
        with pytest.raises(AdapterCorrupt):
            read()
