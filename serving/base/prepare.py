"""Turns a loaded Hugging Face model into one that computes steps, and checks it against the model itself."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from transformers import PreTrainedModel

from serving.adapters.base_shape import End, LinearShape
from serving.base.agreement import WHOLE
from serving.base.architecture import is_understood
from serving.base.exact import in_float32
from serving.base.files import embedding_rows, reason_of
from serving.base.gpu_kernels import with_kernels
from serving.base.structure import Forwards, check_agreement, check_structure
from serving.base.trial import Trial
from serving.config import StepThreads
from serving.errors import BaseModelUnusable
from serving.lora.slot import EMBEDDING, HEAD
from serving.models.fallback import HuggingFaceForward
from serving.models.fused import FusedDecoder
from serving.models.step import StepForward
from serving.native.decoder import NativeDecoder
from serving.native.library import Library


@dataclass(frozen=True, slots=True)
class ServableBase:
    """A base model that computes steps, and the modules that adapters may change.

    served: full name → shape of the linears in the layers that take adapters.   ends: the embedding and the head.
    tied: the head's full name → the embedding's, if they share their weight.
    unserved: full names of linears and embeddings that adapters may name but that do not take adapters.
    """

    forward: StepForward
    served: Mapping[str, LinearShape]
    ends: Mapping[str, End]
    tied: Mapping[str, str]
    unserved: frozenset[str]


def make_servable(model: PreTrainedModel, context: int, kernels: Library | None) -> ServableBase:
    """The fused decoder if it computes this model, else Hugging Face's forward with our attention. Uses up `model`.

    context: the longest sequence.   kernels: for the CPU; None computes in plain torch.

    Raises BaseModelUnusable if what our parts compute differs from what the model computes, or if the model's own code
    fails.
    """
    try:
        return _make_servable(model, context, kernels)
    except BaseModelUnusable:
        raise
    except Exception as reason:  # a model's code may raise anything
        raise BaseModelUnusable(
            f"{type(model).__name__} is not served: its code failed in the checks at start ("
            f"{reason_of(reason)}). Try another version of the model, or another base model."
        ) from reason


@torch.inference_mode()
def _make_servable(model: PreTrainedModel, context: int, kernels: Library | None) -> ServableBase:
    understood = is_understood(model)
    has_kernels = understood and (kernels is not None or model.device.type == "cuda")
    served_part = partial(_decoder, kernels=kernels) if has_kernels else None
    check_structure(model, context, Forwards(FusedDecoder if understood else _fallback, served_part))
    gc.collect()  # decoders contain reference cycles: the excerpt's memory is needed from here on
    trial = Trial(embedding_rows(model), context, model.device, brief=True)
    with _shapes_of_calls(model) as calls:
        own = exact = trial.by_transformers(model)
    if model.dtype != torch.float32:
        with in_float32(model):
            exact = trial.by_transformers(model)
    seen = {name for name, shapes in calls.items() if shapes == [trial.batch_shape]}
    modules = {name: module for name, module in model.named_modules() if isinstance(module, (nn.Linear, nn.Embedding))}
    ends = _ends(model, seen)
    end_names = {end.full_name for end in ends.values()}
    served = _served(model, modules, seen - end_names)
    unserved = frozenset(modules.keys() - served.keys() - end_names)
    layout = {name: _shape(linear) for name, linear in served.items()}, ends, _tied(model), unserved
    dtype, name = model.dtype, type(model).__name__
    forward: StepForward
    if understood:
        forward = _decoder(model, context, kernels)
    else:
        forward = HuggingFaceForward(model, served, {end: modules[end] for end in end_names})
        forward.note_layers(trial.ids[0])
    check_agreement(name, trial, trial.in_steps(forward, dtype), own, exact, limits=WHOLE)
    return ServableBase(forward, *layout)


def _decoder(model: PreTrainedModel, context: int, kernels: Library | None) -> StepForward:
    if kernels is not None:
        return NativeDecoder(model, kernels, context=context, threads=StepThreads(torch.get_num_threads()))
    decoder = FusedDecoder(model)
    return with_kernels(decoder, context, model.device) if model.device.type == "cuda" else decoder


def _fallback(model: PreTrainedModel) -> HuggingFaceForward:
    """The whole model's forward without adapters."""
    forward = HuggingFaceForward(model, {}, {})
    forward.note_layers(torch.arange(8, device=model.device))
    return forward


def _served(model: PreTrainedModel, modules: Mapping[str, nn.Module], seen: set[str]) -> dict[str, nn.Linear]:
    """The plain linears of the layers that the forward showed every token exactly once; an expert sees only some."""
    prefix = f"{model.base_model_prefix}."
    return {
        name: module
        for name, module in modules.items()
        if type(module) is nn.Linear and name in seen and name.startswith(prefix)
    }


def _shape(linear: nn.Linear) -> LinearShape:
    return LinearShape(linear.in_features, linear.out_features, linear.bias is not None)


def _ends(model: PreTrainedModel, seen: set[str]) -> dict[str, End]:
    """The embedding and the head, if they are plain modules that every token passes once."""
    embedding, head = model.get_input_embeddings(), _head(model)
    names = {module: name for name, module in model.named_modules()}
    ends = {}
    if type(embedding) is nn.Embedding and names[embedding] in seen and embedding.max_norm is None:
        shape = LinearShape(embedding.num_embeddings, embedding.embedding_dim)
        ends[EMBEDDING] = End(names[embedding], shape)
    if type(head) is nn.Linear and names[head] in seen:
        ends[HEAD] = End(names[head], _shape(head))
    return ends


def _tied(model: PreTrainedModel) -> dict[str, str]:
    embedding, head = model.get_input_embeddings(), _head(model)
    if head is None or head.weight is not embedding.weight:
        return {}
    names = {module: name for name, module in model.named_modules()}
    return {names[head]: names[embedding]}


def _head(model: PreTrainedModel) -> nn.Module | None:
    head: nn.Module | None = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    return head


@contextmanager
def _shapes_of_calls(model: PreTrainedModel) -> Iterator[dict[str, list[tuple[int, ...]]]]:
    """By name of every linear and embedding: the shapes [sequences, tokens] with which it is called inside."""
    calls: dict[str, list[tuple[int, ...]]] = {}
    hooks = []
    for name, module in model.named_modules():
        if type(module) in (nn.Linear, nn.Embedding):
            calls[name] = []
            hooks.append(
                module.register_forward_pre_hook(lambda each, args, of=calls[name]: of.append(_token_shape(each, args)))
            )
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _token_shape(module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[int, ...]:
    """The input's shape without its width; empty if the module was called with keywords only."""
    shape = tuple(args[0].shape) if args else ()
    return shape[:-1] if type(module) is nn.Linear else shape
