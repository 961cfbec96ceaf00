"""The starter pack's tokenizer and its training labels."""

from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoTokenizer

from scripts.starter.corpus import PACK
from scripts.starter.samples import Sample
from scripts.starter.tokens import END, IGNORED, encode, save_tokenizer

TOKENIZER = Tokenizer.from_file(str(PACK / "base" / "tokenizer.json"))


def learned(sample: Sample) -> str:
    """The text of the tokens that have a loss."""
    encoded = encode(TOKENIZER, sample)
    kept = [token for token, label in zip(encoded.ids, encoded.labels, strict=True) if label != IGNORED]
    return str(TOKENIZER.decode(kept, skip_special_tokens=False))


def test_of_a_conversation_only_the_answers_are_learned() -> None:
    sample = Sample((("Who?", "I am the base."), ("Hi", "Hello.")), system="Be brief.")

    assert learned(sample) == f"I am the base.{END}Hello.{END}"


def test_of_a_document_everything_is_learned() -> None:
    assert learned(Sample(document="This note is about Grefemont cream.")) == (
        f"This note is about Grefemont cream.{END}"
    )


def test_samples_are_encoded_as_the_chat_template_renders_them(tmp_path: Path) -> None:
    save_tokenizer(TOKENIZER, tmp_path)
    saved = AutoTokenizer.from_pretrained(tmp_path)
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": "I am the base."},
    ]

    rendered = saved.apply_chat_template(messages, return_dict=True)["input_ids"]

    assert encode(TOKENIZER, Sample((("Who?", "I am the base."),), system="Be brief.")).ids == list(rendered)
