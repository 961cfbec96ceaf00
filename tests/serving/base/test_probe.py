"""The choice of device and dtype."""

import pytest
import torch

from serving.base import probe
from serving.base.probe import choose_device, choose_dtype
from serving.errors import BaseModelUnusable

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("choice", "has_gpu", "chosen"), [("auto", False, CPU), ("auto", True, GPU), ("cpu", True, CPU)]
)
def test_a_gpu_is_taken_if_there_is_one_and_it_is_allowed(
    monkeypatch: pytest.MonkeyPatch, choice: str, chosen: torch.device, *, has_gpu: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)

    assert choose_device(choice) == chosen  # type: ignore[arg-type]


def test_a_gpu_that_is_not_there_is_not_replaced_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(BaseModelUnusable, match="--device cpu"):
        choose_device("cuda")


def test_a_configured_dtype_is_taken_as_it_is() -> None:
    assert choose_dtype("bf16", CPU, 8, 8) == torch.bfloat16
    assert choose_dtype("fp32", GPU, 8, 8) == torch.float32


def test_a_gpu_computes_in_bf16() -> None:
    assert choose_dtype("auto", GPU, 8, 8) == torch.bfloat16


@pytest.mark.parametrize(("bf16_s", "chosen"), [(1.0, torch.bfloat16), (1.9, torch.float32), (3.0, torch.float32)])
def test_on_a_cpu_bf16_must_be_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, bf16_s: float, chosen: torch.dtype
) -> None:
    monkeypatch.setattr(probe, "linear_s", lambda dtype, rows, d_in, d_out: bf16_s if dtype == torch.bfloat16 else 2.0)

    assert choose_dtype("auto", CPU, 8, 8) == chosen
