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
_WITHOUT_EFFECT = frozenset(
    {
        "cache_position",
        "dropout",
        "logits_to_keep",
        "output_attentions",
        "output_hidden_states",
        "output_router_logits",
        "position_ids",
        "return_dict",
        "use_cache",
    }
)
"""Keywords that do not change what attention computes: bookkeeping, training, or outputs that nobody reads here."""


class AttentionState:
    """What the attention layers of one model read: the cache and the running step's plan.

    Before there is a cache, layers attend within the packed row alone and note their shapes.
    shapes: of the layers noted.   repeated: layers that have attended more than once in one pass.
    """

    def __init__(self) -> None:
        self.cache: KvCache | None = None
        self.plan: AttentionPlan | None = None
        self.shapes: dict[int, LayerShape] = {}
        self.repeated: set[int] = set()


class HuggingFaceForward:
    """A Hugging Face causal LM whose linears add adapters and whose attention reads pages.

    served: the linears that take adapters, by full name.   ends: the embedding and the head, if they take adapters.
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
        """The shapes of the layers, once `note_layers` was called."""
        return self._state.shapes

    def note_layers(self, token_ids: torch.Tensor) -> None:
        """Runs one sequence [tokens] without a cache, so that every layer notes the shape of its keys and values.

        Raises BaseModelUnusable if a layer does not attend through the interface exactly once.
        """
        name, layers = type(self._model).__name__, self._model.config.get_text_config().num_hidden_layers
        positions = torch.arange(token_ids.shape[0], device=token_ids.device)[None]
        self._model(input_ids=token_ids[None], position_ids=positions, use_cache=False)
        if self._state.repeated:
            raise BaseModelUnusable(
                f"{name} is not served: layer {min(self._state.repeated)} calls attention more than once per pass, but "
                "the KV cache keeps the keys and values of one call per layer."
            )
        if len(self._state.shapes) != layers:
            raise BaseModelUnusable(
                f"{name} is not served: {len(self._state.shapes)} of its {layers} layers attend through the attention "
                "interface of transformers. This node has no cache for what the others compute."
            )

    def forward(self, step: Step, cache: KvCache) -> torch.Tensor:
        """Logits [wanted rows, vocab] in the model's dtype."""
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

    An unknown keyword that is not None or False would change the result. Raises BaseModelUnusable for it.
    """
    _refuse_unknown(module, query.shape[2], attention_mask, kwargs)
    state, layer = vars(module)[_STATE], module.layer_idx
    assert isinstance(state, AttentionState)
    assert isinstance(layer, int)
    queries, keys, values = query[0].transpose(0, 1), key[0].transpose(0, 1), value[0].transpose(0, 1)
    if state.cache is None:
        if layer in state.shapes:
            state.repeated.add(layer)
        state.shapes[layer] = LayerShape(keys.shape[1], keys.shape[2], values.shape[2])
        attended = causal(queries, keys, values, _window_mask(len(queries), sliding_window, query.device), scaling)
    else:
        assert state.plan is not None
        rows = row_of(state.shapes[layer], keys, values)
        attended = attend(queries, rows, state.cache, layer, state.plan, scaling=scaling, window=sliding_window)
    return attended.view(1, query.shape[2], -1, value.shape[3]), None


def _refuse_unknown(module: nn.Module, tokens: int, mask: torch.Tensor | None, keywords: Mapping[str, object]) -> None:
    """Raises BaseModelUnusable for a mask or a keyword that this node does not compute.

    A keyword that is None or False is switched off. `is_causal` must be True, except for a single token.
    """
    unknown = {name for name, value in keywords.items() if value is not None and value is not False}
    unknown -= _WITHOUT_EFFECT | {"is_causal"}
    if keywords.get("is_causal") is False and tokens > 1:
        unknown.add("is_causal=False")
    if unknown or mask is not None:
        raise BaseModelUnusable(
            f"{type(module).__name__} is not served: it needs {', '.join(sorted(unknown)) or 'a mask of its own'} in "
            "its attention, which this node does not compute."
        )


def _window_mask(tokens: int, window: int | None, device: torch.device) -> torch.Tensor | None:
    """[tokens, tokens]: True where a token may look. None: plain causal."""
    if window is None or tokens <= window:
        return None
    back = torch.arange(tokens, device=device)[:, None] - torch.arange(tokens, device=device)
    return (back >= 0) & (back < window)
