"""Where Triton cannot compile, the fused decoder runs as it is."""

import pytest
import torch
from triton import knobs

from serving.base.gpu_kernels import with_kernels
from serving.gpu import trial
from serving.models.fused import FusedDecoder
from tests.serving.base.models import CONTEXT, config_of, model_of

CPU = torch.device("cpu")


def test_the_interpreter_is_not_used_for_serving(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(knobs.runtime, "interpret", True)
    decoder = FusedDecoder(model_of(config_of("llama")))

    assert with_kernels(decoder, CONTEXT, CPU) is decoder
    assert "unset TRITON_INTERPRET" in caplog.text


def test_a_compiler_that_fails_leaves_the_decoder_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(device: torch.device) -> bool:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(knobs.runtime, "interpret", False)
    monkeypatch.setattr(trial, "is_right", fail)
    decoder = FusedDecoder(model_of(config_of("llama")))

    assert with_kernels(decoder, CONTEXT, CPU) is decoder
    assert "no compiler" in caplog.text


def test_kernels_that_compute_wrongly_are_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(knobs.runtime, "interpret", False)
    monkeypatch.setattr(trial, "is_right", lambda device: False)
    decoder = FusedDecoder(model_of(config_of("llama")))

    assert with_kernels(decoder, CONTEXT, CPU) is decoder
    assert "kernels_wrong" in caplog.text
