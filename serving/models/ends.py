"""The two ends of a decoder, with the adapters of the step: token ids to hidden rows, and hidden rows to logits."""

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
    """Embedding look-up before the layers; final norm and head after them.

    embedding: [vocabulary, d].   head: [vocabulary, d]; the same tensor if the model ties them.
    """

    embedding: torch.Tensor
    norm: Norm
    head: torch.Tensor
    head_bias: torch.Tensor | None

    @classmethod
    def of(cls, model: PreTrainedModel) -> "Ends":
        """From a Hugging Face causal LM of the Llama kind."""
        inner: Any = model.get_submodule(model.base_model_prefix)
        head: Any = model.get_submodule("lm_head")
        bias = None if head.bias is None else head.bias.data
        return cls(inner.embed_tokens.weight.data, Norm.of(inner.norm), head.weight.data, bias)

    def embed(self, token_ids: torch.Tensor, lora: LoraPlan | None) -> torch.Tensor:
        """token_ids: [tokens], of which `lora` names the segments → hidden: [tokens, d]."""
        hidden = self.embedding.index_select(0, token_ids)
        if lora is not None:
            adapt_embedding(hidden, token_ids, lora)
        return hidden

    def logits(self, hidden: torch.Tensor, lora: LoraPlan | None) -> torch.Tensor:
        """hidden: [rows, d], of which `lora` names the segments → [rows, vocabulary] in the model's dtype."""
        x = self.norm(hidden)
        y = linear(x, self.head, self.head_bias)
        if lora is not None:
            adapt_head(y, x, lora, self.head_bias)
        return y
