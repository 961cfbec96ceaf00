"""The base's weights come from its files by name, and files that changed since are not mixed with the loaded model."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from serving.adapters.base_weights import BaseWeights, BaseWeightsUnreadable

WEIGHT = torch.arange(12, dtype=torch.float32).view(4, 3)


def folder(path: Path, tensors: dict[str, torch.Tensor], name: str = "model.safetensors") -> Path:
    path.mkdir(exist_ok=True)
    save_file(tensors, path / name)
    return path


@pytest.mark.parametrize("key", ["model.proj.weight", "proj.weight"])
def test_a_weight_is_read_with_and_without_the_prefix(key: str, tmp_path: Path) -> None:
    weights = BaseWeights(folder(tmp_path / "base", {key: WEIGHT.bfloat16()}))

    chunks = list(weights.rows("model.proj", 4, 3))

    assert [rows for rows, _ in chunks] == [slice(0, 4)]
    assert torch.equal(chunks[0][1], WEIGHT)
    assert torch.equal(weights.selected_rows("model.proj", 4, 3, [3, 0]), WEIGHT[[3, 0]])


def test_a_tied_weight_is_that_of_the_module_it_is_tied_to(tmp_path: Path) -> None:
    base = folder(tmp_path / "base", {"model.embed.weight": WEIGHT})

    assert torch.equal(
        BaseWeights(base, tied={"lm_head": "model.embed"}).selected_rows("lm_head", 4, 3, [1]), WEIGHT[1:2]
    )


def test_shards_are_found_by_the_index(tmp_path: Path) -> None:
    base = folder(tmp_path / "base", {"model.proj.bias": WEIGHT[0].clone()}, "model-2.safetensors")
    (base / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"model.proj.bias": "model-2.safetensors"}})
    )

    assert torch.equal(BaseWeights(base).bias("model.proj", 3), WEIGHT[0])


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"other": WEIGHT}, r"holds model\.proj\.weight"),
        ({"model.proj.weight": WEIGHT.T.contiguous()}, r"is F32 \[3, 4\], not a float tensor \[4, 3\]"),
        ({"model.proj.weight": WEIGHT.to(torch.int8)}, r"is I8"),
    ],
)
def test_what_is_missing_or_of_another_shape_is_said(
    tensors: dict[str, torch.Tensor], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(BaseWeightsUnreadable, match=reason):
        list(BaseWeights(folder(tmp_path / "base", tensors)).rows("model.proj", 4, 3))


def test_files_that_changed_since_the_base_was_loaded_are_not_read(tmp_path: Path) -> None:
    base = folder(tmp_path / "base", {"model.proj.weight": WEIGHT})
    weights = BaseWeights(base)
    folder(base, {"model.proj.weight": WEIGHT, "more": WEIGHT.clone()})

    with pytest.raises(BaseWeightsUnreadable, match="start the node again"):
        weights.selected_rows("model.proj", 4, 3, [0])


def test_a_folder_without_weights_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(BaseWeightsUnreadable):
        BaseWeights(tmp_path).bias("model.proj", 3)
