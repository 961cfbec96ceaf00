"""Reading a base model's folder: what is served, and that nothing in it ends in a crash."""

import json
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3nTextConfig,
    LlamaConfig,
    PreTrainedModel,
)
from transformers.models.llama import modeling_llama

from serving.base.files import limited_to_embeddings, load_model, load_vocabulary
from serving.base.loader import load_base
from serving.config import ServingConfig
from serving.errors import BaseModelUnusable, InvalidRequest
from serving.frontend.requests import Preparer
from serving.prompts.templates import TemplateRenderer
from serving.sampling.grammar import Grammars
from serving.types import ChatMessage, ChatPrompt, ResolvedModel, SamplingParams, TextPrompt, TokenPrompt
from tests.serving.base.models import config_of, model_of
from tests.serving.driver import StepDriver
from tests.serving.tiny import VOCAB, save_base, tokenizer

TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": VOCAB + 8,
    "max_position_embeddings": 256,
}


def save(folder: Path, model: PreTrainedModel) -> Path:
    torch.manual_seed(2)
    for parameter in model.parameters():
        parameter.data.normal_(0.0, 0.1)
    model.tie_weights()
    model.eval().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def configured(folder: Path) -> ServingConfig:
    return ServingConfig(folder, adapters_home=folder / "home", dtype="fp32", kv_bytes=1 << 20)


def gemma3() -> PreTrainedModel:
    vision = {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "patch_size": 14,
        "image_size": 28,
        "model_type": "siglip_vision_model",
    }
    tokens = {"image_token_index": VOCAB + 5, "boi_token_index": VOCAB + 6, "eoi_token_index": VOCAB + 7}
    text = {**TEXT, "sliding_window": 16}
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, **tokens)
    return Gemma3ForConditionalGeneration(config)


def gemma3n() -> PreTrainedModel:
    config = Gemma3nTextConfig(
        **{**TEXT, "num_hidden_layers": 10},
        sliding_window=16,
        num_kv_shared_layers=5,
        vocab_size_per_layer_input=VOCAB + 8,
        hidden_size_per_layer_input=8,
        laurel_rank=8,
        layer_types=None,
        activation_sparsity_pattern=None,
    )
    model = AutoModelForCausalLM.from_config(config)
    assert isinstance(model, PreTrainedModel)
    return model


@pytest.mark.parametrize("make", [gemma3, gemma3n])
def test_the_text_part_of_a_model_is_served_past_its_window(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    folder = save(tmp_path / "base", make())
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    driver = StepDriver(folder, tmp_path)
    prompt = [9 + 7 * i % 300 for i in range(30)]

    tokens = driver.run([driver.sequence("s", None, prompt, 8)])["s"]

    with torch.inference_mode():
        logits = reference(input_ids=torch.tensor([prompt + tokens])).logits[0, len(prompt) - 1 : -1]
    assert torch.allclose(torch.stack(driver.logits["s"]), logits, atol=1e-4)


@pytest.mark.parametrize("error", [AttributeError("gone"), TypeError("odd"), IndexError("out"), ZeroDivisionError()])
def test_whatever_a_models_code_raises_is_a_refusal_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    folder = save_base(tmp_path / "base")

    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(modeling_llama.LlamaForCausalLM, "__init__", fail)

    with pytest.raises(BaseModelUnusable, match=type(error).__name__):
        load_model(folder, configured(folder))


@pytest.mark.parametrize(
    ("field", "value"),
    [("hidden_size", "many"), ("num_hidden_layers", -1), ("num_attention_heads", 0), ("rope_parameters", [])],
)
def test_a_configuration_that_means_nothing_is_refused(tmp_path: Path, field: str, value: object) -> None:
    folder = save_base(tmp_path / "base")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, field: value}))

    with pytest.raises(BaseModelUnusable):
        load_base(folder, configured(folder), lambda what, fraction: None)


def test_a_model_that_is_no_causal_language_model_is_refused(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48
    )
    folder = save(tmp_path / "base", AutoModelForCausalLM.from_config(config))

    with pytest.raises(BaseModelUnusable, match="BertLMHeadModel is not served"):
        load_base(folder, configured(folder), lambda what, fraction: None)


@pytest.mark.parametrize("text", ["{}", "[]", '{"model": 3}', "not json"])
def test_a_damaged_tokenizer_is_refused(tmp_path: Path, text: str) -> None:
    folder = save_base(tmp_path / "base")
    (folder / "tokenizer.json").write_text(text)

    with pytest.raises(BaseModelUnusable, match="tokenizer"):
        load_vocabulary(folder)


@pytest.fixture
def larger_tokenizer(tmp_path: Path) -> Path:
    """A base whose tokenizer has hundreds of tokens that the model has no embedding for."""
    folder = save_base(tmp_path / "base")
    larger = tokenizer()
    larger.add_tokens([f"<extra-{i}>" for i in range(VOCAB)])
    larger.save_pretrained(folder)
    return folder


async def test_a_token_without_an_embedding_is_refused_and_the_model_served(larger_tokenizer: Path) -> None:
    base = load_base(larger_tokenizer, configured(larger_tokenizer), lambda what, fraction: None)
    template = "{% for m in messages %}{{ m.content }}<extra-100>{% endfor %}"
    grammars = Grammars(base.vocabulary, base.eos_ids)
    preparer = Preparer(base.vocabulary, TemplateRenderer(), grammars, base.context_tokens)

    async def prepared(prompt: TextPrompt | TokenPrompt | ChatPrompt) -> tuple[int, ...]:
        made = await preparer.prepare(ResolvedModel("base"), prompt, 1, SamplingParams(), chat_template=template)
        return made.prompt_ids

    assert len(await prepared(TextPrompt("hello"))) > 0
    assert len(await prepared(TextPrompt("hello <extra-100>"))) > 0, "text spells the names of control tokens out"
    assert len(await prepared(TokenPrompt((9, VOCAB - 1)))) == 2
    with pytest.raises(InvalidRequest, match=f"between 0 and {VOCAB - 1}"):
        await prepared(TokenPrompt((9, VOCAB)))
    with pytest.raises(InvalidRequest, match=f"'<extra-100>' .id {len(tokenizer()) + 100}.*no embedding"):
        await prepared(ChatPrompt((ChatMessage("user", "hello"),)))


def test_a_head_with_more_tokens_than_the_embedding_is_refused(tmp_path: Path) -> None:
    model = model_of(config_of("llama", tie_word_embeddings=False))
    model.get_input_embeddings().weight.data = model.get_input_embeddings().weight.data[:90]

    with pytest.raises(BaseModelUnusable, match="head produces 96 tokens"):
        limited_to_embeddings(load_vocabulary(save_base(tmp_path / "base")), model)


def test_a_model_is_loaded_in_the_dtype_that_was_asked_for(tmp_path: Path) -> None:
    folder = save_base(tmp_path / "base")

    model, device = load_model(folder, ServingConfig(folder, adapters_home=tmp_path, dtype="bf16", device="cpu"))

    assert (model.dtype, device.type) == (torch.bfloat16, "cpu")
    assert isinstance(model.config, LlamaConfig)
