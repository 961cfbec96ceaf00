"""A loaded Hugging Face model to one that serves steps, checked against what the model itself computes."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from serving.adapters.base_shape import End, LinearShape
from serving.base.architecture import is_understood
from serving.base.gpu_kernels import with_kernels
from serving.config import StepThreads
from serving.errors import BaseModelUnusable
from serving.kv.cache import KvCache
from serving.kv.pages import pages_for
from serving.lora.slot import EMBEDDING, HEAD
from serving.models.fallback import HuggingFaceForward
from serving.models.fused import FusedDecoder
from serving.models.step import Step, StepForward
from serving.native.decoder import NativeDecoder
from serving.native.library import Library

_PROBE_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Prepared:
    """served: full name → shape of the linears in the layers that take adapters.   ends: the embedding and the head.

    tied: the head's full name → the embedding's, if they share their weight.
    unserved: full names that an adapter could mean in vain.
    """

    forward: StepForward
    served: Mapping[str, LinearShape]
    ends: Mapping[str, End]
    tied: Mapping[str, str]
    unserved: frozenset[str]


@torch.inference_mode()
def prepare(model: PreTrainedModel, context: int, kernels: Library | None) -> Prepared:
    """The decoder where the model is understood, else Hugging Face's forward with our parts; uses up `model`.

    context: the longest sequence.   kernels: None computes in plain torch.

    A linear is served if the reference forward showed it every token exactly once; an expert, seeing some, is not.
    Raises BaseModelUnusable if what our parts compute differs from what the model computed before.
    """
    probe = torch.arange(_PROBE_TOKENS, device=model.device) % model.config.vocab_size
    expected = model(input_ids=probe[None], use_cache=False).logits[0]
    seen = _seen_with_every_token(model, probe)
    prefix = f"{model.base_model_prefix}."
    modules = {name: module for name, module in model.named_modules() if isinstance(module, (nn.Linear, nn.Embedding))}
    ends = _ends(model, seen)
    end_names = {end.full_name for end in ends.values()}
    served = {
        name: module
        for name, module in modules.items()
        if type(module) is nn.Linear and name in seen - end_names and name.startswith(prefix)
    }
    shapes = {name: _shape(linear) for name, linear in served.items()}
    layout = shapes, ends, _tied(model), frozenset(modules.keys() - served.keys() - end_names)
    if is_understood(model):
        decoder = _decoder(model, context, kernels)
        _check(expected, _prefilled_then_decoded(decoder, probe, model.dtype), model)
        return Prepared(decoder, *layout)
    fallback = HuggingFaceForward(model, served, {name: modules[name] for name in end_names})
    _check(expected, fallback.probe(probe), model)
    if len(fallback.layers) != getattr(model.config, "num_hidden_layers", len(fallback.layers)):
        raise BaseModelUnusable(
            f"{type(model).__name__} is not served: its attention does not go through the attention interface in all "
            f"{model.config.num_hidden_layers} layers."
        )
    return Prepared(fallback, *layout)


def _decoder(model: PreTrainedModel, context: int, kernels: Library | None) -> StepForward:
    if kernels is not None:
        return NativeDecoder(model, kernels, context=context, threads=StepThreads(torch.get_num_threads()))
    decoder = FusedDecoder(model)
    return with_kernels(decoder, context, model.device) if model.device.type == "cuda" else decoder


def _shape(linear: nn.Linear) -> LinearShape:
    return LinearShape(linear.in_features, linear.out_features, linear.bias is not None)


def _ends(model: PreTrainedModel, seen: set[str]) -> dict[str, End]:
    """The embedding and the head, if they are plain ones that every token passes once."""
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


def _seen_with_every_token(model: PreTrainedModel, token_ids: torch.Tensor) -> set[str]:
    """Names of the linears that the forward calls once with [1, tokens, d_in], and of embeddings, with [1, tokens]."""
    calls: dict[str, list[tuple[int, ...]]] = {}
    hooks = []
    for name, module in model.named_modules():
        if type(module) in (nn.Linear, nn.Embedding):
            calls[name] = []
            hooks.append(
                module.register_forward_pre_hook(lambda each, args, of=calls[name]: of.append(_token_shape(each, args)))
            )
    model(input_ids=token_ids[None], use_cache=False)
    for hook in hooks:
        hook.remove()
    return {name for name, shapes in calls.items() if shapes == [(1, *token_ids.shape)]}


def _token_shape(module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[int, ...]:
    """The input's shape without its width; nothing if the module was called in another way."""
    shape = tuple(args[0].shape) if args else ()
    return shape[:-1] if type(module) is nn.Linear else shape


def _prefilled_then_decoded(decoder: StepForward, token_ids: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Logits of one sequence [tokens], all but the last token computed in one step, that one in the next."""
    tokens = token_ids.shape[0]
    pages = list(range(pages_for(tokens)))
    cache = KvCache(decoder.layers, len(pages), dtype, token_ids.device)
    logits = []
    for start, end, decode_rows in ((0, tokens - 1, 0), (tokens - 1, tokens, 1)):
        positions = torch.arange(start, end, device=token_ids.device)
        step = Step(token_ids[start:end], positions, None, [pages], [(start, end)], decode_rows, None)
        logits.append(decoder.forward(step, cache))
    return torch.cat(logits)


def _check(expected: torch.Tensor, got: torch.Tensor, model: PreTrainedModel) -> None:
    """What we would compute wrongly is refused here."""
    tolerance = 1e-4 if model.dtype == torch.float32 else 5e-2
    worst = (got - expected).abs().max().item() / max(1.0, expected.abs().max().item())
    if not worst <= tolerance:
        raise BaseModelUnusable(
            f"{type(model).__name__} is not served: it computes more than the attention interface and rotary softmax "
            f"attention tell (difference {worst:.1e})."
        )
