"""The check of what a base model computes, on an excerpt of it, before the whole model is served."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DummyLayer, DynamicLayer, DynamicSlidingWindowLayer

from serving.base.agreement import EXCERPT, Limits, float32_error, rounding_multiple
from serving.base.exact import in_float32
from serving.base.excerpt import VOCABULARY, Excerpt, with_short_windows
from serving.base.files import embedding_rows
from serving.base.layers import layer_kinds, windows_within
from serving.base.trial import Trial
from serving.errors import BaseModelUnusable
from serving.models.step import StepForward

log = logging.getLogger("serving.models")

_LONGEST = 64
"""No trial is longer."""
_KV_LAYERS = (DynamicLayer, DynamicSlidingWindowLayer, DummyLayer)
"""What transformers keeps for a layer that needs keys and values only, or nothing."""
_STATELESS_OUTPUTS = frozenset(
    {
        "attentions",
        "aux_loss",
        "hidden_states",
        "image_hidden_states",
        "logits",
        "loss",
        "past_key_values",
        "router_logits",
    }
)
"""Outputs of a forward that the next one does not read, apart from the keys and values."""


@dataclass(frozen=True, slots=True)
class Forwards:
    """How to make a forward of a model: `plain` in torch, in any dtype; `served` with this machine's kernels.

    Both may change or use up the model. served is None if the plain forward is the served one.
    """

    plain: Callable[[PreTrainedModel], StepForward]
    served: Callable[[PreTrainedModel, int], StepForward] | None


@torch.inference_mode()
def check_structure(model: PreTrainedModel, context: int, forwards: Forwards) -> None:
    """Raises BaseModelUnusable if this node computes something else than `model` does. `model` is not changed.

    Two of its layers, or one of each kind, get random weights and short windows. In float32 every row of the logits
    must agree within 1e-4: prompts in chunks, decode steps, and two sequences in one batch, past every window. With
    the kernels and in the served dtype, errors may be twice those of transformers in that dtype.

    context: the longest sequence that is served.
    """
    excerpt = Excerpt(model, layer_kinds(model), context)
    trial = _trial(excerpt.model, context)
    try:
        exact = trial.by_transformers(excerpt.model)
    except Exception as reason:  # whatever a model's code raises when layers are missing
        log.info("excerpt_unusable model=%s reason=%s", type(model).__name__, reason)
        _check_whole_structure(model, context, forwards)
        return
    _check_kept_state(excerpt.model, trial)
    implementation = excerpt.model.config._attn_implementation
    error = float32_error(trial.in_steps(forwards.plain(excerpt.model), torch.float32), exact)
    if error > EXCERPT.tolerance:
        raise _different(model, context, forwards, error)
    if forwards.served is None and model.dtype == torch.float32:
        return
    excerpt.model.set_attn_implementation(implementation)
    excerpt.convert_to_served()
    own = exact if model.dtype == torch.float32 else trial.by_transformers(excerpt.model)
    forward = forwards.served(excerpt.model, _LONGEST) if forwards.served else forwards.plain(excerpt.model)
    got = trial.in_steps(forward, model.dtype)
    check_agreement(type(model).__name__, trial, got, own, exact, limits=EXCERPT)


def check_agreement(
    model: str, trial: Trial, got: torch.Tensor, own: torch.Tensor, exact: torch.Tensor, *, limits: Limits
) -> None:
    """Raises BaseModelUnusable if `got` is too far from `exact`: `agreement` defines the measures.

    got, own: logits of `trial` in the served dtype, by our forward and by transformers.   exact: in float32; the same
    tensor as `own` where float32 is served.   model: the name of its class.   limits: of an excerpt or a whole model.
    """
    if own is exact:
        error = float32_error(got, exact)
        if error > limits.tolerance:
            raise BaseModelUnusable(f"{model} is not served: {_too_far(error, limits.tolerance)}.")
        return
    phase, reached = rounding_multiple(got, own, exact, trial.phases)
    if reached > limits.multiple:
        raise BaseModelUnusable(
            f"{model} is not served in this dtype: its {phase} rows are {reached:.1f} times as far from float32 as "
            f"with transformers, and {limits.multiple:.0f} times is allowed. Try --dtype fp32."
        )


def _check_whole_structure(model: PreTrainedModel, context: int, forwards: Forwards) -> None:
    """In float32, of all layers with their own weights: slower, and without memory of its own."""
    whole = with_short_windows(model, context)
    trial = _trial(whole, context)
    with in_float32(whole):
        exact = trial.by_transformers(whole)
        _check_kept_state(whole, trial)
        error = float32_error(trial.in_steps(forwards.plain(whole), torch.float32), exact)
    if error > EXCERPT.tolerance:
        raise _computes_more(model, error)


def _trial(model: PreTrainedModel, context: int) -> Trial:
    return Trial(min(embedding_rows(model), VOCABULARY), context, model.device, brief=False)


def _check_kept_state(model: PreTrainedModel, trial: Trial) -> None:
    """Raises BaseModelUnusable if transformers keeps more than keys and values from one token to the next."""
    _refuse_state(model, _kept_layers(DynamicCache(config=model.config)))
    output = model(input_ids=trial.ids[0][None], use_cache=True)
    cache = output.get("past_key_values")
    kept = [name for name, value in output.items() if value is not None and name not in _STATELESS_OUTPUTS]
    if cache is not None and type(cache) is not DynamicCache:
        kept.append(type(cache).__name__)
    _refuse_state(model, [*kept, *_kept_layers(cache)])


def _kept_layers(cache: object) -> list[str]:
    """The classes of the cache's layers that hold more than keys and values, with the first layer of each."""
    kept: dict[str, int] = {}
    for i, layer in enumerate(getattr(cache, "layers", ())):
        if type(layer) not in _KV_LAYERS:
            kept.setdefault(type(layer).__name__, i)
    return [f"{name} (from layer {i} on)" for name, i in kept.items()]


def _refuse_state(model: PreTrainedModel, kept: Sequence[str]) -> None:
    if kept:
        raise BaseModelUnusable(
            f"{type(model).__name__} is not served: between tokens it keeps {', '.join(kept)}. This node keeps keys "
            "and values only, so such a state would be lost after every step."
        )


def _different(model: PreTrainedModel, context: int, forwards: Forwards, error: float) -> BaseModelUnusable:
    """The reason, which is a window if the model agrees while its windows are not reached."""
    name, windows = type(model).__name__, windows_within(model, context)
    if windows:
        excerpt = Excerpt(model, layer_kinds(model), min(windows.values()))
        trial = _trial(excerpt.model, min(windows.values()))
        exact = trial.by_transformers(excerpt.model)
        if float32_error(trial.in_steps(forwards.plain(excerpt.model), torch.float32), exact) <= EXCERPT.tolerance:
            named = ", ".join(f"{field} {length}" for field, length in windows.items())
            return BaseModelUnusable(
                f"{name} is not served: past its {named} it attends to other tokens than this node "
                f"({_too_far(error)}). It can be served with --max-model-len {min(windows.values())}."
            )
    return _computes_more(model, error)


def _computes_more(model: PreTrainedModel, error: float) -> BaseModelUnusable:
    return BaseModelUnusable(
        f"{type(model).__name__} is not served: it computes more than causal attention over the tokens of one sequence "
        f"({_too_far(error)})."
    )


def _too_far(error: float, tolerance: float = EXCERPT.tolerance) -> str:
    return f"in float32 a row of its logits is off by {error:.1e} of their size, and {tolerance:.0e} is allowed"
