"""Hugging Face's own forward for every causal LM the fused decoder does not know: with our linears and attention.

Every model that goes through `AttentionInterface` reaches `paged_attention` with the step's tokens as one packed row:
query [1, heads, tokens, dim], key and value [1, kv_heads, tokens, dim].
"""

from collections.abc import Mapping

import torch
from torch import nn
from transformers import AttentionInterface, PreTrainedModel

from serving.errors import BaseModelUnusable
from serving.kv.cache import KvCache, LayerShape
from serving.lora.linear import LoraEmbedding, LoraHead, LoraLinear, LoraStep
from serving.models.attention import AttentionPlan, attend, causal, row_of
from serving.models.step import Step

NAME = "openlora_paged"
_STATE = "openlora_attention"
_IGNORED = frozenset(
    {"dropout", "position_ids", "cache_position", "is_causal", "use_cache", "output_attentions", "position_bias"}
)


class AttentionState:
    """What the attention layers of one model read: the cache and the running step's plan.

    Before there is a cache, layers attend within the packed row alone and note their shapes.
    """

    def __init__(self) -> None:
        self.cache: KvCache | None = None
        self.plan: AttentionPlan | None = None
        self.shapes: dict[int, LayerShape] = {}


class HuggingFaceForward:
    """A Hugging Face causal LM whose linears add adapters and whose attention reads pages.

    served: the linears that add adapters, by full name. ends: so the embedding and the head, where they are served.
    """

    groups = ()

    def __init__(self, model: PreTrainedModel, served: Mapping[str, nn.Linear], ends: Mapping[str, nn.Module]) -> None:
        self._model = model
        self._state = AttentionState()
        self._lora = LoraStep()
        prefix = f"{model.base_model_prefix}."
        for name, linear in served.items():
            model.set_submodule(name, LoraLinear(linear, name.removeprefix(prefix), self._lora))
        for name, end in ends.items():
            if isinstance(end, nn.Embedding):
                model.set_submodule(name, LoraEmbedding(end, self._lora))
            elif isinstance(end, nn.Linear):
                model.set_submodule(name, LoraHead(end, self._lora))
        AttentionInterface.register(NAME, paged_attention)
        for module in model.modules():
            if hasattr(module, "layer_idx"):
                vars(module)[_STATE] = self._state
        model.set_attn_implementation(NAME)

    @property
    def layers(self) -> Mapping[int, LayerShape]:
        """The shapes of the layers that `probe` has seen."""
        return self._state.shapes

    def probe(self, token_ids: torch.Tensor) -> torch.Tensor:
        """Logits of one sequence [tokens], without a cache: [tokens, vocab]."""
        positions = torch.arange(token_ids.shape[0], device=token_ids.device)[None]
        logits: torch.Tensor = self._model(input_ids=token_ids[None], position_ids=positions, use_cache=False).logits[0]
        return logits

    def forward(self, step: Step, cache: KvCache) -> torch.Tensor:
        self._state.cache, self._state.plan = cache, step.attention
        self._lora.plan, self._lora.head_plan = step.lora, step.head_lora
        output = self._model(
            input_ids=step.token_ids[None],
            position_ids=step.positions[None],
            use_cache=False,
            logits_to_keep=step.last if step.last is not None else 0,
        )
        logits: torch.Tensor = output.logits[0]
        return logits


def paged_attention(  # noqa: PLR0917  (transformers decides the order)
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: object,
) -> tuple[torch.Tensor, None]:
    """softmax(scaling * Q K^T) V for every token over its own sequence: [1, tokens, heads, value_dim].

    A keyword it does not know would change the result, so it is refused.
    """
    unknown = {name for name, given in kwargs.items() if given is not None and name not in _IGNORED}
    if unknown or attention_mask is not None:
        raise BaseModelUnusable(f"its attention needs {sorted(unknown) or 'a mask'}, which this node does not compute")
    state, layer = vars(module)[_STATE], module.layer_idx
    assert isinstance(state, AttentionState)
    assert isinstance(layer, int)
    asking, keys, values = query[0].transpose(0, 1), key[0].transpose(0, 1), value[0].transpose(0, 1)
    if state.cache is None:
        state.shapes[layer] = LayerShape(keys.shape[1], keys.shape[2], values.shape[2])
        attended = causal(asking, keys, values, _window_mask(len(asking), sliding_window, query.device), scaling)
    else:
        assert state.plan is not None
        rows = row_of(state.shapes[layer], keys, values)
        attended = attend(asking, rows, state.cache, layer, state.plan, scaling=scaling, window=sliding_window)
    return attended.view(1, query.shape[2], -1, value.shape[3]), None


def _window_mask(tokens: int, window: int | None, device: torch.device) -> torch.Tensor | None:
    """[tokens, tokens]: True where a token may look. None: plain causal."""
    if window is None or tokens <= window:
        return None
    back = torch.arange(tokens, device=device)[:, None] - torch.arange(tokens, device=device)
    return (back >= 0) & (back < window)
