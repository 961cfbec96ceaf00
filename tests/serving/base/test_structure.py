"""The checks at start find every planted mistake, whatever the weights, and pass every valid model."""

from typing import Any

import pytest
import torch
from transformers import (
    DiffLlamaConfig,
    FalconH1Config,
    Llama4TextConfig,
    LlamaConfig,
    MambaConfig,
    MixtralConfig,
    PreTrainedModel,
    Qwen3NextConfig,
)
from transformers.models.llama import modeling_llama

from serving.base import prepare
from serving.base.cpu_kernels import kernels_for
from serving.base.prepare import make_servable
from serving.config import KERNELS_HOME
from serving.errors import BaseModelUnusable
from serving.native.library import Library
from tests.serving.base.faults import FALLBACK_FAULTS, FAULTS, plant_in_layer
from tests.serving.base.models import CONTEXT, SHAPE, config_of, model_of

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def kernels_of(dtype: torch.dtype) -> Library:
    kernels = kernels_for(dtype, torch.device("cpu"), KERNELS_HOME.expanduser())
    assert kernels is not None, "the kernels need a C compiler (Debian: apt-get install gcc)"
    return kernels


@pytest.mark.parametrize("forward", ["kernels", "torch"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_mistake_is_refused(fault: str, dtype: str, forward: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family, plant = FAULTS[fault]
    if "kernels" in fault and forward == "torch":
        return  # the mistake is not on this path
    model = model_of(config_of(family), DTYPES[dtype])
    kernels = kernels_of(DTYPES[dtype]) if forward == "kernels" else None
    plant(monkeypatch)

    with pytest.raises(BaseModelUnusable, match="not served"):
        make_servable(model, CONTEXT, kernels)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fault", FALLBACK_FAULTS)
def test_a_mistake_in_the_fallback_is_refused(fault: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "is_understood", lambda model: False)
    FALLBACK_FAULTS[fault](monkeypatch)

    with pytest.raises(BaseModelUnusable, match="in float32 a row of its logits is off"):
        make_servable(model_of(config_of("mistral"), DTYPES[dtype]), CONTEXT, None)


def test_a_mistake_in_a_layer_that_the_excerpt_lacks_is_found_in_the_whole_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = model_of(config_of("llama", num_hidden_layers=6), spread=0.1)
    plant_in_layer(4)(monkeypatch)

    with pytest.raises(BaseModelUnusable, match="off by"):
        make_servable(model, CONTEXT, None)


@pytest.mark.parametrize("spread", [None, 0.3, 1.0], ids=["as initialised", "large", "huge"])
@pytest.mark.parametrize("layers", [1, 30])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_a_valid_model_is_served_at_any_weights_and_depth(
    family: str, dtype: str, layers: int, spread: float | None
) -> None:
    model = model_of(config_of(family, num_hidden_layers=layers), DTYPES[dtype], spread=spread)

    servable = make_servable(model, CONTEXT, kernels_of(DTYPES[dtype]))

    assert len(servable.forward.layers) == layers


TINY: dict[str, Any] = {**SHAPE, "num_hidden_layers": 2}
MIXTURE: dict[str, Any] = {"num_local_experts": 4, "num_experts_per_tok": 2}


@pytest.mark.parametrize(
    ("config", "state"),
    [
        (
            FalconH1Config(
                **TINY, head_dim=8, mamba_n_heads=4, mamba_d_head=16, mamba_d_ssm=64, mamba_n_groups=1, mamba_d_state=8
            ),
            "LinearAttentionAndFullAttentionLayer",
        ),
        (MambaConfig(vocab_size=96, hidden_size=32, num_hidden_layers=2, state_size=4), "LinearAttentionLayer"),
        (
            Qwen3NextConfig(**TINY, head_dim=8, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16),
            "LinearAttentionLayer",
        ),
    ],
    ids=["beside-attention", "instead-of-attention", "in-some-layers"],
)
def test_a_model_that_keeps_another_state_is_refused_by_its_name(config: Any, state: str) -> None:
    with pytest.raises(BaseModelUnusable, match=f"keeps {state}"):
        make_servable(model_of(config), CONTEXT, None)


def test_a_state_that_no_cache_shows_is_refused_by_its_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    class Accumulating(modeling_llama.LlamaMLP):
        """Adds the mean of all tokens so far: what no cache holds."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            counts = torch.arange(1, x.shape[1] + 1)[:, None]
            y: torch.Tensor = super().forward(x) + x.cumsum(1) / counts
            return y

    monkeypatch.setattr(modeling_llama, "LlamaMLP", Accumulating)
    monkeypatch.setattr(prepare, "is_understood", lambda model: False)

    with pytest.raises(BaseModelUnusable, match="more than causal attention over the tokens of one sequence"):
        make_servable(model_of(config_of("llama")), CONTEXT, None)


def test_a_model_that_attends_in_chunks_is_refused_past_the_chunk() -> None:
    config = Llama4TextConfig(
        **TINY, head_dim=8, num_local_experts=2, intermediate_size_mlp=48, attention_chunk_size=100
    )

    with pytest.raises(BaseModelUnusable, match=r"attention_chunk_size 100.*--max-model-len 100"):
        make_servable(model_of(config), CONTEXT, None)
    assert len(make_servable(model_of(config), 100, None).forward.layers) == 2


def test_a_layer_that_attends_twice_is_refused() -> None:
    with pytest.raises(BaseModelUnusable, match="more than once"):
        make_servable(model_of(DiffLlamaConfig(**TINY)), CONTEXT, None)


@pytest.mark.parametrize("routed", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mixture_of_experts_is_served_whether_or_not_it_returns_its_routing(dtype: str, *, routed: bool) -> None:
    config = MixtralConfig(**TINY, **MIXTURE, output_router_logits=routed)

    servable = make_servable(model_of(config, DTYPES[dtype], spread=0.1), CONTEXT, None)

    assert "model.layers.0.self_attn.q_proj" in servable.served


def test_an_error_in_a_models_own_code_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(modeling_llama.LlamaMLP):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise AttributeError("no such thing")

    monkeypatch.setattr(modeling_llama, "LlamaMLP", Broken)

    with pytest.raises(BaseModelUnusable, match="AttributeError: no such thing"):
        make_servable(model_of(config_of("llama")), CONTEXT, None)


def test_layers_that_need_each_other_are_checked_together(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deep(modeling_llama.LlamaModel):
        """Runs only with all of its layers."""

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            assert len(self.layers) == 5
            return super().forward(*args, **kwargs)

    monkeypatch.setattr(modeling_llama, "LlamaModel", Deep)
    monkeypatch.setattr(prepare, "is_understood", lambda model: False)

    def model() -> PreTrainedModel:
        return model_of(LlamaConfig(**{**SHAPE, "num_hidden_layers": 5}))

    assert len(make_servable(model(), CONTEXT, None).forward.layers) == 5

    FALLBACK_FAULTS["scale"](monkeypatch)

    with pytest.raises(BaseModelUnusable, match="causal attention"):
        make_servable(model(), CONTEXT, None)
