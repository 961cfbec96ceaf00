"""A loaded Hugging Face model to one that serves steps, checked against what the model itself computes."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from serving.adapters.base_shape import LinearShape
from serving.errors import BaseModelUnusable
from serving.kv.cache import KvCache
from serving.kv.pages import pages_for
from serving.models.architecture import is_understood
from serving.models.backbone import Step, StepForward
from serving.models.fallback import HuggingFaceForward
from serving.models.fused import FusedDecoder
from serving.native.decoder import NativeDecoder
from serving.native.library import Library

_PROBE_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Prepared:
    """served: full name → shape of the linears that take adapters.   unserved: names an adapter could mean in vain."""

    forward: StepForward
    served: Mapping[str, LinearShape]
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
    seen = _linears_of_every_token(model, probe)
    prefix = f"{model.base_model_prefix}."
    linears = {name: module for name, module in model.named_modules() if type(module) is nn.Linear}
    embeddings = {name for name, module in model.named_modules() if isinstance(module, nn.Embedding)}
    served = {name: linear for name, linear in linears.items() if name in seen and name.startswith(prefix)}
    shapes = {name: LinearShape(linear.in_features, linear.out_features) for name, linear in served.items()}
    unserved = frozenset((linears.keys() - served.keys()) | embeddings)
    if is_understood(model):
        decoder = _decoder(model, context, kernels)
        _check(expected, _prefilled_then_decoded(decoder, probe, model.dtype), model)
        return Prepared(decoder, shapes, unserved)
    fallback = HuggingFaceForward(model, served)
    _check(expected, fallback.probe(probe), model)
    if len(fallback.layers) != getattr(model.config, "num_hidden_layers", len(fallback.layers)):
        raise BaseModelUnusable(
            f"{type(model).__name__} is not served: its attention does not go through the attention interface in all "
            f"{model.config.num_hidden_layers} layers."
        )
    return Prepared(fallback, shapes, unserved)


def _decoder(model: PreTrainedModel, context: int, kernels: Library | None) -> FusedDecoder | NativeDecoder:
    if kernels is None:
        return FusedDecoder(model)
    return NativeDecoder(model, kernels, context=context, threads=torch.get_num_threads())


def _linears_of_every_token(model: PreTrainedModel, token_ids: torch.Tensor) -> set[str]:
    """Names of the linears that the forward calls once with [1, tokens, d_in]."""
    calls: dict[str, list[tuple[int, ...]]] = {}
    hooks = []
    for name, module in model.named_modules():
        if type(module) is nn.Linear:
            calls[name] = []
            hooks.append(
                module.register_forward_pre_hook(
                    lambda _, args, seen=calls[name]: seen.append(tuple(args[0].shape[:-1]))
                )
            )
    model(input_ids=token_ids[None], use_cache=False)
    for hook in hooks:
        hook.remove()
    return {name for name, shapes in calls.items() if shapes == [(1, *token_ids.shape)]}


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
