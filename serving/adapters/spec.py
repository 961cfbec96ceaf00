"""adapter_config.json parsed into the exact LoRA it describes, or refused by naming the field in the way."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.adapters.base_shape import BaseShape
from serving.adapters.digests import CONFIG_FILE
from serving.adapters.matching import Matcher, Targets, UnusablePattern
from serving.errors import AdapterCorrupt, AdapterIncompatible

MAX_RANK = 1024

# These only steered training or describe it; the forward pass is the same with and without them.
_WITHOUT_EFFECT = frozenset(
    {"peft_version", "auto_mapping", "inference_mode", "lora_dropout", "eva_config", "runtime_config"}
    | {
        "megatron_core",
        "qalora_group_size",
    }  # mean something only next to megatron_config and use_qalora, refused below
)
_REASONS = {
    "use_dora": "DoRA rescales every output column; this node serves plain LoRA and rsLoRA",
    "lora_bias": "a bias on lora_B is not served",
    "modules_to_save": "it replaces whole layers of the base, which all adapters share",
    "trainable_token_indices": "it changes the embeddings of the base, which all adapters share",
    "target_parameters": "it adapts fused parameters, not linear layers",
    "alora_invocation_tokens": "Activated LoRA (switched on mid-prompt) is not served",
    "layer_replication": "it changes the depth of the base",
    "fan_in_fan_out": "it is meant for transposed (Conv1D) layers, which this base does not have",
    "ensure_weight_tying": "it ties adapters of embedding and output layer, which are not served",
}
_INITS_THAT_CHANGE_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


_Alpha = Annotated[int | float, Field(ge=-1e9, le=1e9)]


class _Config(BaseModel):
    """The fields of adapter_config.json that decide the forward pass; `model_extra` holds all others."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)

    peft_type: Literal["LORA"]
    r: int
    lora_alpha: _Alpha
    target_modules: str | list[str]
    task_type: Literal["CAUSAL_LM"] | None = None
    base_model_name_or_path: str | None = None
    revision: str | None = None
    use_rslora: bool = False
    rank_pattern: dict[str, int] | None = None
    alpha_pattern: dict[str, _Alpha] | None = None
    exclude_modules: str | list[str] | None = None
    layers_to_transform: int | list[int] | None = None
    layers_pattern: str | list[str] | None = None
    bias: Literal["none"] = "none"
    init_lora_weights: bool | str | None = True


@dataclass(frozen=True, slots=True)
class ModuleSpec:
    """One adapted linear layer: delta W = scale * B @ A with B: [d_out, rank] and A: [rank, d_in]."""

    name: str
    full_name: str
    rank: int
    scale: float
    d_in: int
    d_out: int


@dataclass(frozen=True, slots=True)
class AdapterSpec:
    """What one adapter does to the base: at least one module, in the base's layer order."""

    modules: tuple[ModuleSpec, ...]

    @classmethod
    def parse(cls, raw: bytes, base: BaseShape, adapter: str, *, max_rank: int = MAX_RANK) -> "AdapterSpec":
        """The adapter that `raw` (adapter_config.json) describes on `base`.

        adapter is what errors call it. Raises AdapterCorrupt (not JSON) or AdapterIncompatible (a field cannot be
        honoured).
        """
        config = _config(raw, adapter)
        _refuse_unserved_fields(config, adapter)
        _refuse_another_base(config, base, adapter)
        targets, matcher = _targets(config, adapter), Matcher()
        try:
            names = _expand(targets, base, adapter, matcher)
            modules = tuple(_module(config, name, base, matcher, adapter) for name in names)
        except UnusablePattern as problem:
            raise AdapterIncompatible(adapter, "target_modules or a *_pattern", str(problem)) from problem
        too_high = next((module for module in modules if module.rank > max_rank), None)
        if too_high:
            raise AdapterIncompatible(adapter, "r", f"{too_high.rank} at {too_high.full_name!r} is above {max_rank}")
        if not modules:
            example = next(iter(base.modules), "none")
            raise AdapterIncompatible(
                adapter, "target_modules", f"no layer of base {base.name!r} matches; its layers look like {example!r}"
            )
        return cls(modules)


def _config(raw: bytes, adapter: str) -> _Config:
    try:
        fields = json.loads(raw, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise AdapterCorrupt(adapter, CONFIG_FILE, f"not valid JSON: {error}") from error
    if not isinstance(fields, dict):
        raise AdapterCorrupt(adapter, CONFIG_FILE, "not a JSON object")
    try:
        return _Config.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0])
        shown = "is missing" if first["type"] == "missing" else f"{first['msg']}, got {first['input']!r:.80}"
        raise AdapterIncompatible(adapter, field, shown) from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key occurs twice")
    return fields


def _refuse_unserved_fields(config: _Config, adapter: str) -> None:
    for field, value in (config.model_extra or {}).items():
        if value and field not in _WITHOUT_EFFECT:
            reason = _REASONS.get(field, "this node does not know how to honour it")
            raise AdapterIncompatible(adapter, field, f"{reason} (the value is {value!r:.80})")
    init = config.init_lora_weights
    if isinstance(init, str) and init.lower() not in ("gaussian", "orthogonal", "eva"):
        reason = "this node does not know this initialisation"
        if init.lower().startswith(_INITS_THAT_CHANGE_THE_BASE):
            reason = (
                "it was trained against a changed base; save it with path_initial_model_for_weight_conversion to get a "
                "plain LoRA"
            )
        raise AdapterIncompatible(adapter, "init_lora_weights", f"{init!r:.80}: {reason}")


def _refuse_another_base(config: _Config, base: BaseShape, adapter: str) -> None:
    """An adapter that names no base is accepted: then the shapes alone must fit."""
    named = config.base_model_name_or_path
    if named and not base.is_called(named):
        raise AdapterIncompatible(
            adapter, "base_model_name_or_path", f"made for {named!r:.200}, this node serves {base.name!r}"
        )
    if config.revision and base.contradicts_revision(config.revision):
        raise AdapterIncompatible(
            adapter, "revision", f"made for commit {config.revision} of the base, this node serves {base.revision}"
        )


def _targets(config: _Config, adapter: str) -> Targets:
    one_regex = isinstance(config.target_modules, str)
    if one_regex and config.layers_to_transform is not None:
        raise AdapterIncompatible(adapter, "layers_to_transform", "needs target_modules to be a list")
    if config.layers_pattern and (one_regex or config.layers_to_transform is None):
        raise AdapterIncompatible(adapter, "layers_pattern", "needs layers_to_transform and a list of target_modules")
    layers = config.layers_to_transform
    return Targets(
        target_modules=_strings(config.target_modules),
        exclude_modules=_strings(config.exclude_modules or ()),
        layers_to_transform=(layers,) if isinstance(layers, int) else tuple(layers or ()),
        layers_pattern=tuple(_as_list(config.layers_pattern)),
    )


def _strings(value: str | Iterable[str]) -> str | tuple[str, ...]:
    return value if isinstance(value, str) else tuple(value)


def _as_list(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) and value else list(value or ())


def _expand(targets: Targets, base: BaseShape, adapter: str, matcher: Matcher) -> list[str]:
    """The short names of all layers of `base` that the config adapts."""
    if isinstance(targets.target_modules, str) and targets.target_modules.lower() == "all-linear":
        names = base.modules.keys()
        targets = Targets(tuple(base.prefix + name for name in names), targets.exclude_modules)
    for full_name in sorted(base.unserved):
        if targets.include(full_name, matcher):
            raise AdapterIncompatible(adapter, "target_modules", f"adapts {full_name!r}, which is not served")
    return [name for name in base.modules if targets.include(base.prefix + name, matcher)]


def _module(config: _Config, name: str, base: BaseShape, matcher: Matcher, adapter: str) -> ModuleSpec:
    full_name = base.prefix + name
    rank = matcher.pattern_value(config.rank_pattern or {}, full_name, config.r)
    alpha = matcher.pattern_value(config.alpha_pattern or {}, full_name, config.lora_alpha)
    if rank < 1:
        raise AdapterIncompatible(adapter, "r", f"{rank} at {full_name!r} is not a rank")
    if alpha == 0:
        raise AdapterIncompatible(adapter, "lora_alpha", f"0 for {full_name!r}: the adapter would do nothing there")
    scale = alpha / math.sqrt(rank) if config.use_rslora else alpha / rank
    return ModuleSpec(name, full_name, rank, scale, *base.modules[name])
