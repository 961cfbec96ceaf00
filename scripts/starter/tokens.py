"""The byte-level tokenizer with its chat template, and samples as token ids."""

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from scripts.starter.corpus import Corpus
from scripts.starter.samples import Sample, base_stream

PAD, END, SYSTEM, USER, ASSISTANT = SPECIAL = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
VOCABULARY = 1024
CONTEXT_TOKENS = 512
IGNORED = -100
"""The label that torch's cross entropy skips."""

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- if message['role'] not in ['system', 'user', 'assistant'] -%}
{{- raise_exception('unknown role: ' + message['role']) -}}
{%- endif -%}
{{- '<|' + message['role'] + '|>' + (message['content'] | trim) + '<|end|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}
"""


def train_tokenizer(corpus: Corpus, random: Random, samples: int = 20_000) -> Tokenizer:
    """Byte-level BPE, with single digits, trained on `samples` samples of the base model's stream."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = (
        text
        for sample in islice(base_stream(corpus, random), samples)
        for text in (sample.document, sample.system, *(text for turn in sample.turns for text in turn))
        if text is not None
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, home: Path) -> None:
    """Write tokenizer and chat template as Hugging Face reads them."""
    home.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(home / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": CONTEXT_TOKENS,
        "pad_token": PAD,
        "eos_token": END,
        "additional_special_tokens": [SYSTEM, USER, ASSISTANT],
        "clean_up_tokenization_spaces": False,
    }
    (home / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (home / "chat_template.jinja").write_text(CHAT_TEMPLATE)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids, and the label of each: its id, or IGNORED where there is no loss."""

    ids: list[int]
    labels: list[int]


def encode(tokenizer: Tokenizer, sample: Sample) -> Encoded:
    """The sample's tokens, as the chat template renders it, with labels on documents and answers."""
    ids: list[int] = []
    labels: list[int] = []

    def add(text: str, *, learned: bool) -> None:
        new = tokenizer.encode(text).ids
        ids.extend(new)
        labels.extend(new if learned else [IGNORED] * len(new))

    if sample.document is not None:
        add(sample.document + END, learned=True)
    if sample.system is not None:
        add(SYSTEM + sample.system + END, learned=False)
    for question, answer in sample.turns:
        add(USER + question + END + ASSISTANT, learned=False)
        add(answer + END, learned=True)
    return Encoded(ids, labels)
