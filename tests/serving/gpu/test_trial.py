"""The kernels' own test at start finds kernels that compute wrongly."""

import pytest
import torch

from serving.gpu import trial
from serving.gpu.lora import LoraKernels
from serving.gpu.trial import is_right
from serving.lora.groups import Group
from tests.serving.gpu.machine import DEVICE


def test_these_kernels_are_right() -> None:
    assert is_right(DEVICE)


def test_wrong_kernels_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(LoraKernels):
        def add(self, y: torch.Tensor, x: torch.Tensor, group: Group, tiles: torch.Tensor, tile_tokens: int) -> None:
            super().add(y, x * 1.001, group, tiles, tile_tokens)

    monkeypatch.setattr(trial, "LoraKernels", Wrong)

    assert not is_right(DEVICE)
