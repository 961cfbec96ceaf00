"""A checked model and what of it takes adapters."""

import pytest
import torch
from transformers import GPT2Config, MixtralConfig

from serving.adapters.base_shape import LinearShape
from serving.base.cpu_kernels import kernels_for
from serving.base.prepare import make_servable
from serving.config import KERNELS_HOME
from serving.lora.slot import EMBEDDING, HEAD
from serving.models.fallback import HuggingFaceForward
from serving.models.fused import FusedDecoder
from serving.native.decoder import NativeDecoder
from tests.serving.base.models import CONTEXT, SHAPE, config_of, model_of


def test_an_understood_model_gets_the_kernels_where_there_are_any() -> None:
    kernels = kernels_for(torch.float32, torch.device("cpu"), KERNELS_HOME.expanduser())

    assert type(make_servable(model_of(config_of("llama")), CONTEXT, kernels).forward) is NativeDecoder
    assert type(make_servable(model_of(config_of("llama")), CONTEXT, None).forward) is FusedDecoder


def test_another_model_takes_the_fallback() -> None:
    config = GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=64, vocab_size=96)

    assert type(make_servable(model_of(config), 64, None).forward) is HuggingFaceForward


def test_the_layers_linears_take_adapters() -> None:
    servable = make_servable(model_of(config_of("qwen2")), CONTEXT, None)

    assert servable.served["model.layers.0.self_attn.k_proj"] == LinearShape(32, 16, has_bias=True)
    assert servable.served["model.layers.2.mlp.down_proj"] == LinearShape(48, 32)
    assert len(servable.served) == 3 * 7
    assert not servable.unserved


@pytest.mark.parametrize("tied", [True, False])
def test_the_embedding_and_the_head_take_adapters(*, tied: bool) -> None:
    servable = make_servable(model_of(config_of("llama", tie_word_embeddings=tied)), CONTEXT, None)

    assert servable.ends[EMBEDDING].full_name == "model.embed_tokens"
    assert servable.ends[HEAD].full_name == "lm_head"
    assert servable.tied == ({"lm_head": "model.embed_tokens"} if tied else {})


def test_an_expert_that_sees_only_some_tokens_takes_none() -> None:
    config = MixtralConfig(**SHAPE, num_local_experts=4, num_experts_per_tok=2)

    served = make_servable(model_of(config), CONTEXT, None).served

    assert {name.rsplit(".", 1)[1] for name in served} == {"q_proj", "k_proj", "v_proj", "o_proj"}
