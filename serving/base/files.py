"""Reads a base model's tokenizer and weights from a folder in Hugging Face layout."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as transformers_logging

from serving.base.probe import choose_device, choose_dtype
from serving.config import ServingConfig
from serving.errors import BaseModelUnusable
from serving.prompts.vocabulary import Vocabulary

_REASON_CHARS = 600


def load_vocabulary(folder: Path) -> Vocabulary:
    """The tokenizer in `folder`. Raises BaseModelUnusable."""
    if not (folder / "tokenizer.json").is_file():
        raise BaseModelUnusable(f"{folder} has no tokenizer.json. Save the tokenizer as a fast one.")
    try:
        return Vocabulary.of(AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False))
    except BaseModelUnusable:
        raise
    except Exception as error:  # the classes of transformers may raise anything for a file they do not expect
        raise BaseModelUnusable(f"The tokenizer in {folder} cannot be loaded: {reason_of(error)}") from error


def load_model(folder: Path, config: ServingConfig) -> tuple[PreTrainedModel, torch.device]:
    """The model in `folder` on the configured device and in the configured dtype. Raises BaseModelUnusable."""
    device = choose_device(config.device)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        hf_config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            config=hf_config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            dtype=choose_dtype(config.dtype, device, *_linear_widths(hf_config.get_text_config())),
        )
        model, report = loaded
        _refuse_gaps(folder, report)
        assert isinstance(model, PreTrainedModel)
        nn.Module.to(model, device)
    except BaseModelUnusable:
        raise
    except Exception as error:  # a model's own code may raise anything
        raise BaseModelUnusable(
            f"The base model in {folder} cannot be loaded: {reason_of(error)}. Check that the folder holds a causal "
            "language model in safetensors format that this version of transformers knows."
        ) from error
    nn.Module.eval(model).requires_grad_(False)
    return model, device


def limited_to_embeddings(vocabulary: Vocabulary, model: PreTrainedModel) -> Vocabulary:
    """The vocabulary without the tokens that the model has no embedding for: requests with such a token are refused.

    Raises BaseModelUnusable if the model could produce a token that it has no embedding for.
    """
    rows = embedding_rows(model)
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if isinstance(head, nn.Linear) and head.weight.shape[0] > rows:
        raise BaseModelUnusable(
            f"{type(model).__name__} is not served: its head produces {head.weight.shape[0]} tokens, but it has "
            f"embeddings for {rows} only."
        )
    return vocabulary.limited_to(rows)


def embedding_rows(model: PreTrainedModel) -> int:
    """The number of tokens that the model has an embedding for."""
    weight = model.get_input_embeddings().weight
    assert isinstance(weight, torch.Tensor)
    return weight.shape[0]


def _linear_widths(text_config: Any) -> tuple[int, int]:
    """Typical widths (d_in, d_out) of the model's linears, to choose a dtype by."""
    d_in = _first_int(getattr(text_config, "hidden_size", None), 1024)
    return d_in, _first_int(getattr(text_config, "intermediate_size", None), 4 * d_in)


def _first_int(value: object, default: int) -> int:
    """A number, or the first of one per layer; `default` for anything else."""
    if isinstance(value, Sequence) and value:
        value = value[0]
    return value if isinstance(value, int) and value > 0 else default


def _refuse_gaps(folder: Path, report: Mapping[str, Any]) -> None:
    """Raises BaseModelUnusable if files lack tensors: transformers would go on with random numbers in their place."""
    absent = sorted([*report["missing_keys"], *map(str, report["mismatched_keys"])])
    if absent:
        raise BaseModelUnusable(f"The weights in {folder} lack {len(absent)} tensors of the model, e.g. {absent[0]}.")


def reason_of(error: Exception) -> str:
    """The error in one line of bounded length, with its class, as a text alone may be empty or a bare name."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:_REASON_CHARS]}".rstrip(": ") + ("…" if len(text) > _REASON_CHARS else "")
