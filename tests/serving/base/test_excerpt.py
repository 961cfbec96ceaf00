"""An excerpt is a small model of its own that shows what the whole model computes."""

import torch
from transformers import Gemma3TextConfig, GPT2Config

from serving.base.excerpt import VOCABULARY, Excerpt, with_short_windows
from serving.base.layers import SHORT_WINDOW, layer_list
from tests.serving.base.models import CONTEXT, SHAPE, config_of, model_of
from tests.serving.base.test_exact import state_of


def test_the_model_is_left_as_it_was() -> None:
    model = model_of(config_of("mistral"), torch.bfloat16)
    before, config = state_of(model), model.config.to_dict()

    Excerpt(model, (0, 2), CONTEXT).convert_to_served()

    assert model.config.to_dict() == config
    assert len(layer_list(model)) == 3
    assert all(torch.equal(tensor, before[name]) for name, tensor in state_of(model).items())


def test_it_runs_with_some_layers_and_the_first_tokens() -> None:
    model = model_of(config_of("llama", vocab_size=5000, num_hidden_layers=9))

    excerpt = Excerpt(model, (0, 7), CONTEXT).model

    assert excerpt.config.num_hidden_layers == len(layer_list(excerpt)) == 2
    assert [layer.self_attn.layer_idx for layer in layer_list(excerpt)] == [0, 1]
    assert excerpt(input_ids=torch.arange(9)[None]).logits.shape == (1, 9, VOCABULARY)


def test_per_layer_settings_follow_their_layers() -> None:
    config = Gemma3TextConfig(**{**SHAPE, "num_hidden_layers": 8}, head_dim=8, sliding_window=9)

    excerpt = Excerpt(model_of(config), (0, 5), CONTEXT).model

    assert excerpt.config.layer_types == ["sliding_attention", "full_attention"]


def test_windows_are_short_where_sequences_get_longer() -> None:
    model = model_of(config_of("mistral"))

    assert Excerpt(model, (0,), CONTEXT).model.config.sliding_window == SHORT_WINDOW
    assert Excerpt(model, (0,), 100).model.config.sliding_window == 100
    assert with_short_windows(model, CONTEXT).config.sliding_window == SHORT_WINDOW
    assert model.config.sliding_window == 100


def test_every_bias_and_norm_matters_though_the_models_own_do_not() -> None:
    model = model_of(GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=96))
    assert not model.transformer.h[0].attn.c_attn.bias.any()

    block = Excerpt(model, (0, 1), CONTEXT).model.transformer.h[0]

    assert block.attn.c_attn.bias.abs().min() > 0
    assert block.ln_1.weight.std() > 0.05


def test_tied_weights_stay_tied() -> None:
    for tied in (True, False):
        excerpt = Excerpt(model_of(config_of("llama", tie_word_embeddings=tied)), (0,), CONTEXT).model

        assert (excerpt.lm_head.weight is excerpt.model.embed_tokens.weight) == tied


def test_its_values_are_the_served_dtypes() -> None:
    excerpt = Excerpt(model_of(config_of("qwen2"), torch.bfloat16), (0, 1), CONTEXT)
    exact = state_of(excerpt.model)
    assert {tensor.dtype for tensor in exact.values()} == {torch.float32}

    excerpt.convert_to_served()

    assert excerpt.model.dtype == torch.bfloat16
    assert all(torch.equal(tensor.float(), exact[name]) for name, tensor in state_of(excerpt.model).items())


def test_the_whole_model_with_short_windows_takes_no_memory() -> None:
    model = model_of(config_of("mistral"))

    shared = with_short_windows(model, CONTEXT)

    assert all(shared.get_parameter(name) is parameter for name, parameter in model.named_parameters())
