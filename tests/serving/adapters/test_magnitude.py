"""Numbers that would overflow in a request are refused with the adapter; numbers that no training gives are logged."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from serving.adapters.base_shape import BaseShape
from serving.adapters.magnitude import check_magnitude, output_rms
from serving.errors import AdapterIncompatible
from serving.lora.slot import EMBEDDING, LoraModule
from serving.types import Outcome
from tests.serving.adapters.biased import ingested, saved
from tests.serving.adapters.tiny import base_shape, weights, write_adapter
from tests.serving.asking import ask
from tests.serving.conftest import Folders, StartService

WEIGHTS = "adapter_model.safetensors"


def module(a: float = 0.1, b: float = 0.1, **parts: torch.Tensor) -> LoraModule:
    return LoraModule(a=torch.full((4, 32), a), b=torch.full((4, 16), b), **parts)


OVERFLOWING: dict[str, LoraModule] = {
    "A": module(a=3e37),
    "B": module(b=3e37),
    "both, each of them moderate": module(a=1e9, b=-1e9),
    "the gain": module(gain=torch.full((16,), 3e37)),
    "the gain, with A and B of nothing": module(a=0, b=0, gain=torch.full((16,), -3e37)),
    "the offset": module(offset=torch.full((16,), -3e37)),
    "one element of the offset": module(offset=torch.zeros(16).index_fill(0, torch.tensor([3]), 1e13)),
    "a whole weight": module(weight=torch.full((16, 32), 3e37)),
    "not a number": module(a=float("nan")),
}


@pytest.mark.parametrize("large", OVERFLOWING.values(), ids=OVERFLOWING.keys())
@pytest.mark.parametrize("name", ["layers.0.mlp.up_proj", EMBEDDING])
def test_each_part_of_a_module_is_bounded(large: LoraModule, name: str) -> None:
    with pytest.raises(AdapterIncompatible, match=f"{name}: its outputs can reach .* overflows float32"):
        check_magnitude(name, large, "test")


def test_what_training_gives_passes() -> None:
    check_magnitude("x", module(gain=torch.full((16,), 1.2), offset=torch.ones(16), weight=torch.ones(16, 32)), "test")


@pytest.mark.parametrize("name", ["layers.0.mlp.up_proj", EMBEDDING])
def test_the_reported_rms_is_that_of_the_product(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(8, 512, generator=generator), torch.randn(8, 256, generator=generator)
    inputs = torch.eye(512) if name == EMBEDDING else torch.randn(4000, 512, generator=generator)
    exact = float((inputs @ a.T @ b).square().mean().sqrt())

    assert output_rms(name, LoraModule(a=a, b=b)) == pytest.approx(exact, rel=0.3)


def extreme(folder: Path, **config: Any) -> Path:
    tensors = {name: torch.full_like(tensor, 3e37) if "_A" in name else tensor for name, tensor in weights().items()}
    return write_adapter(folder, tensors, **config)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_finite_weights_that_overflow_in_use_are_refused(dtype: torch.dtype, tmp_path: Path) -> None:
    with pytest.raises(AdapterIncompatible, match=r"self_attn.q_proj: .*the largest A is 3.0e\+37"):
        ingested(extreme(tmp_path / "x"), base_shape(), dtype)

    assert not (tmp_path / "blobs").exists()


def test_weights_that_overflow_only_in_the_model_s_dtype_are_refused(tmp_path: Path) -> None:
    """3.4e38 is the largest float32; bfloat16 rounds it to infinity."""
    tensors = {name: torch.full_like(tensor, 3.4e38) if "_A" in name else tensor for name, tensor in weights().items()}

    with pytest.raises(AdapterIncompatible, match=r"overflows in torch\.bfloat16"):
        ingested(write_adapter(tmp_path / "x", tensors), base_shape(), torch.bfloat16)


@pytest.mark.parametrize(
    "key", ["magnitude_vector", "lora_B.bias", "base_layer.bias", "lm_head.weight", "trainable_tokens"]
)
def test_every_kind_of_tensor_is_bounded(key: str, base: BaseShape, tmp_path: Path) -> None:
    fields: dict[str, dict[str, Any]] = {
        "magnitude_vector": {"use_dora": True},
        "lora_B.bias": {"lora_bias": True},
        "base_layer.bias": {"bias": "lora_only"},
        "lm_head.weight": {"modules_to_save": ["lm_head"]},
        "trainable_tokens": {"trainable_token_indices": [3, 5]},
    }
    saved(tmp_path / "x", **fields[key])
    tensors = load_file(tmp_path / "x" / WEIGHTS)
    assert any(key in name for name in tensors)
    save_file({n: t.fill_(3e37) if key in n else t for n, t in tensors.items()}, tmp_path / "x" / WEIGHTS)

    with pytest.raises(AdapterIncompatible, match="overflows"):
        ingested(tmp_path / "x", base)


def test_a_scale_that_rounds_everything_to_zero_would_answer_as_the_base_does(tmp_path: Path) -> None:
    with pytest.raises(AdapterIncompatible, match="all zero"):
        ingested(write_adapter(tmp_path / "x", lora_alpha=1e-60), base_shape())


def test_a_strong_adapter_is_kept_and_its_strongest_layer_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "serving.adapters"):
        ingested(write_adapter(tmp_path / "usual"), base_shape())
        assert not caplog.messages
        ingested(write_adapter(tmp_path / "strong", lora_alpha=100_000), base_shape())

    (message,) = caplog.messages
    assert message.startswith("adapter_unusually_strong adapter=test module=layers.")


async def test_the_strongest_adapter_that_is_accepted_answers_every_request(
    start_service: StartService, folders: Folders, tmp_path: Path
) -> None:
    """alpha doubles until the adapter is refused; all that were accepted before must answer without failing."""
    service = await start_service()
    source = folders.adapters["a0"]
    accepted = []
    for exponent in range(20, 31):
        folder = tmp_path / f"x{exponent}"
        folder.mkdir()
        config = (
            (source / "adapter_config.json").read_text().replace('"lora_alpha": 16', f'"lora_alpha": {2**exponent}')
        )
        (folder / "adapter_config.json").write_text(config)
        tensors = load_file(source / WEIGHTS)
        save_file({name: 30.0 * tensor for name, tensor in tensors.items()}, folder / WEIGHTS)
        try:
            await service.add_adapter(folder.name, f"file:{folder}")
        except AdapterIncompatible:
            continue
        accepted.append(folder.name)

    answers = [await ask(service, name, [5, 9, 12, 40], 6) for name in accepted]

    assert accepted
    assert len(accepted) < 11
    assert {answer.end.outcome for answer in answers} == {Outcome.FINISHED}
    assert all(len(answer.tokens) == 6 for answer in answers)
