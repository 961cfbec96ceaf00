"""The two ends of a decoder with the step's adapters: token ids to hidden rows, and hidden rows to logits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import linear
from transformers import PreTrainedModel

from serving.lora.ends import adapt_embedding, adapt_head
from serving.lora.plan import LoraPlan
from serving.models.norm import Norm


@dataclass(frozen=True, slots=True)
class Ends:
    """Embedding look-up before the layers, final norm and head after them, wherever their weights are stored.

    rows: token ids [tokens] → [tokens, d].   head: [rows, d] → [rows, vocabulary], head_bias included.
    """

    rows: Callable[[torch.Tensor], torch.Tensor]
    norm: Norm
    head: Callable[[torch.Tensor], torch.Tensor]
    head_bias: torch.Tensor | None

    @classmethod
    def of(cls, model: PreTrainedModel) -> "Ends":
        """From a Hugging Face causal LM of the Llama kind, whose weights are used without a copy."""
        inner: Any = model.get_submodule(model.base_model_prefix)
        module: Any = model.get_submodule("lm_head")
        embedding, weight = inner.embed_tokens.weight.data, module.weight.data
        bias = None if module.bias is None else module.bias.data

        def rows(token_ids: torch.Tensor) -> torch.Tensor:
            looked_up: torch.Tensor = embedding.index_select(0, token_ids)
            return looked_up

        return cls(rows, Norm.of(inner.norm), lambda x: linear(x, weight, bias), bias)

    def embed(self, token_ids: torch.Tensor, lora: LoraPlan | None) -> torch.Tensor:
        """token_ids: [tokens] → hidden: [tokens, d].   lora: the plan of the tokens."""
        hidden = self.rows(token_ids)
        if lora is not None:
            adapt_embedding(hidden, token_ids, lora)
        return hidden

    def logits(self, hidden: torch.Tensor, lora: LoraPlan | None) -> torch.Tensor:
        """hidden: [rows, d] → [rows, vocabulary].   lora: the plan of these rows."""
        x = self.norm(hidden)
        y = self.head(x)
        if lora is not None:
            adapt_head(y, x, lora, self.head_bias)
        return y
