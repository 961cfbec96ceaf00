"""The starter pack is complete, small, and says nothing about the machine that made it."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from peft import PeftConfig
from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer

from node.dev.starter import BASE_NAME, HOME, StarterPack, pack
from scripts.starter import corpus, manifest

DEPARTMENTS = ("dermatology", "cardiology", "nutrition")
TARGETS = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


@pytest.fixture(scope="module")
def starter() -> StarterPack:
    return pack()


def files() -> list[Path]:
    return sorted(path for path in HOME.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def test_the_pack_has_one_base_three_adapters_and_their_datanets(starter: StarterPack) -> None:
    assert starter.base_name == BASE_NAME
    assert tuple(adapter.name for adapter in starter.adapters) == DEPARTMENTS
    assert [adapter.datanet for adapter in starter.adapters] == [datanet.name for datanet in starter.datanets]
    assert [adapter.owner_index for adapter in starter.adapters] == [3, 4, 5]


def test_each_datanet_has_sixty_documents_by_four_contributors(starter: StarterPack) -> None:
    for datanet, first in zip(starter.datanets, (10, 14, 18), strict=True):
        writers = Counter(document.contributor for document in datanet.documents)

        assert len(datanet.documents) == 60
        assert set(writers) == {0, 1, 2, 3}
        assert [contributor.account_index for contributor in datanet.contributors] == list(range(first, first + 4))
        assert {document.licence for document in datanet.documents} <= {"CC-BY-4.0", "CC0-1.0", "CC-BY-SA-4.0"}


def test_every_document_stands_once_and_brings_five_questions(starter: StarterPack) -> None:
    documents = [document for datanet in starter.datanets for document in datanet.documents]

    assert len({document.id for document in documents}) == 180
    assert len({document.text for document in documents}) == 180
    assert all(len(set(document.questions)) == 5 for document in documents)


def test_a_contributors_weight_is_the_canonical_tokens_it_wrote(starter: StarterPack) -> None:
    for datanet in starter.datanets:
        for number, contributor in enumerate(datanet.contributors):
            texts = [document.text for document in datanet.documents if document.contributor == number]
            assert contributor.weight == sum(manifest.canonical_tokens(text) for text in texts) > 0


def test_canonical_tokens_are_words_and_single_signs() -> None:
    assert manifest.canonical_tokens("Dose_2 is 15,5 – Überdosis!") == 9


def test_every_file_is_listed_data_of_the_pack_and_ten_megabytes_at_most() -> None:
    kinds = {".py", ".json", ".jsonl", ".jinja", ".safetensors"}

    assert sum(path.stat().st_size for path in files()) <= 10_000_000
    assert {path.suffix for path in files()} == kinds
    assert not [path for path in files() if path.stat().st_mode & 0o111]


def test_no_file_names_a_place_on_the_machine_that_made_it() -> None:
    place = re.compile(r"(?<![\w.])/(?:home|tmp|root|usr|work|Users|mnt|opt)\b|[A-Z]:\\")
    texts = [path for path in files() if path.suffix not in (".safetensors", ".py")]

    assert [path for path in texts if place.search(path.read_text(encoding="utf-8"))] == []


def test_adapters_are_plain_peft_folders_with_nothing_else(starter: StarterPack) -> None:
    for adapter in starter.adapters:
        config = PeftConfig.from_pretrained(adapter.path)
        with safe_open(adapter.path / "adapter_model.safetensors", "pt") as weights:
            names = set(weights.keys())
            kinds = {weights.get_slice(name).get_dtype() for name in names}

        assert {path.name for path in adapter.path.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
        assert (config.base_model_name_or_path, config.r, config.lora_alpha) == (BASE_NAME, 8, 16)
        assert set(config.target_modules) == TARGETS
        assert len(names) == 4 * len(TARGETS) * 2
        assert kinds == {"BF16"}


def test_the_base_is_a_small_bf16_llama_with_a_chat_template(starter: StarterPack) -> None:
    config = AutoConfig.from_pretrained(starter.base)
    tokenizer = AutoTokenizer.from_pretrained(starter.base)
    chat = [{"role": "system", "content": "a"}, {"role": "user", "content": " b "}]

    assert (config.model_type, config.hidden_size, config.num_hidden_layers) == ("llama", 192, 4)
    assert len(tokenizer) == config.vocab_size == 1024
    rendered = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert rendered == "<|system|>a<|end|><|user|>b<|end|><|assistant|>"


def test_each_special_token_is_one_id_and_digits_stand_alone(starter: StarterPack) -> None:
    tokenizer = AutoTokenizer.from_pretrained(starter.base)
    special = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]

    assert [tokenizer.encode(token) for token in special] == [[0], [1], [2], [3], [4]]
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (0, 1)
    assert [tokenizer.decode([token]) for token in tokenizer.encode("7342")] == list("7342")


def test_any_text_survives_the_tokenizer(starter: StarterPack) -> None:
    tokenizer = AutoTokenizer.from_pretrained(starter.base)
    text = "Größe 37 °C\n\t naïve 漢字 🙂  two  spaces"

    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_manifest_and_the_quality_table_belong_to_this_corpus() -> None:
    clinic = corpus.build()

    assert json.loads((HOME / "pack.json").read_text()) == manifest.manifest(clinic)
    quality = json.loads((HOME / "quality.json").read_text())
    assert quality["seed"] == corpus.SEED
    assert {"machine", "commit", "scripts_sha256", "torch"} <= set(quality)
