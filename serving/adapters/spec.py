"""adapter_config.json expanded for one base: the exact change to every module, or an error that names the field."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from serving.adapters.adapter_config import AdapterConfig
from serving.adapters.base_shape import BaseShape, LinearShape
from serving.adapters.matching import Matcher, Targets, UnusablePattern
from serving.errors import AdapterIncompatible
from serving.lora.slot import EMBEDDING, HEAD

MAX_RANK = 1024


@dataclass(frozen=True, slots=True)
class ModuleSpec:
    """What an adapter does to one module: delta W = scale * B @ A with B: [d_out, rank] and A: [rank, d_in], and more.

    rank: 0 if no low-rank product is added here. magnitude: DoRA scales the rows of W + delta W to its magnitudes.
    lora_bias: B has a bias. own_bias: the adapter's bias replaces the base's. whole: the adapter's weight replaces the
    base's. tokens: the adapter's rows of `embedding` (a full name) replace the base's for these token ids, here and at
    a head that shares the weight.
    """

    name: str
    full_name: str
    shape: LinearShape
    rank: int = 0
    scale: float = 1.0
    magnitude: bool = False
    lora_bias: bool = False
    own_bias: bool = False
    whole: bool = False
    tokens: tuple[int, ...] = ()
    embedding: str = ""

    @property
    def is_embedding(self) -> bool:
        """Whether the module is the base's embedding, whose input is one-hot."""
        return self.name == EMBEDDING

    @property
    def has_offset(self) -> bool:
        """Whether folding gives the module an offset: see `serving.adapters.folding`."""
        return self.lora_bias or self.own_bias or (self.magnitude and self.shape.has_bias)


@dataclass(frozen=True, slots=True)
class AdapterSpec:
    """What one adapter does to the base: at least one module, in the order of the forward pass.

    invocation: an activated LoRA acts from the last occurrence of these tokens in the prompt; () acts on all tokens.
    variant: the field that keeps the adapter out of a composition. tied: embedding and head must be changed alike.
    """

    modules: tuple[ModuleSpec, ...]
    invocation: tuple[int, ...] = ()
    variant: str | None = None
    tied: bool = False

    @classmethod
    def parse(cls, raw: bytes, base: BaseShape, adapter: str, *, max_rank: int = MAX_RANK) -> "AdapterSpec":
        """The adapter that `raw` (adapter_config.json) describes for `base`. adapter: the name for errors.

        Raises AdapterCorrupt (not strict JSON) or AdapterIncompatible (a field cannot be applied exactly).
        """
        config = AdapterConfig.parse(raw, adapter)
        _refuse_another_base(config, base, adapter)
        try:
            expansion = _Expansion(config, base, adapter)
            modules = tuple(expansion.modules())
        except UnusablePattern as problem:
            raise AdapterIncompatible(adapter, "target_modules or a *_pattern", str(problem)) from problem
        if len(modules[0].tokens if modules else ()) > max_rank:
            shown = f"{len(modules[0].tokens)} tokens are more than {max_rank}"
            raise AdapterIncompatible(adapter, "trainable_token_indices", shown)
        too_high = next((module for module in modules if module.rank > max_rank), None)
        if too_high:
            raise AdapterIncompatible(adapter, "r", f"{too_high.rank} at {too_high.full_name!r} is above {max_rank}")
        if not any(module.rank for module in modules):
            example = next(iter(base.modules), "none")
            raise AdapterIncompatible(
                adapter, "target_modules", f"no layer of base {base.name!r} matches; its layers look like {example!r}"
            )
        return cls(modules, tuple(config.alora_invocation_tokens or ()), config.variant, bool(expansion.tied))


def _refuse_another_base(config: AdapterConfig, base: BaseShape, adapter: str) -> None:
    """Refuses an adapter of another base. One that names no base is accepted if its shapes fit."""
    named = config.base_model_name_or_path
    if named and not base.is_called(named):
        raise AdapterIncompatible(
            adapter, "base_model_name_or_path", f"made for {named!r:.200}, this node serves {base.name!r}"
        )
    if config.revision and base.contradicts_revision(config.revision):
        raise AdapterIncompatible(
            adapter, "revision", f"made for commit {config.revision} of the base, this node serves {base.revision}"
        )


class _Expansion:
    """The expansion of one config for one base."""

    def __init__(self, config: AdapterConfig, base: BaseShape, adapter: str) -> None:
        self._config, self._base, self._adapter = config, base, adapter
        self._matcher = Matcher()
        self._targets = self._parse_targets()
        self._saved = {self._saved_end(entry) for entry in config.modules_to_save or ()}
        self._tokens = self._parse_tokens()
        self.tied = self._parse_tying()
        if self.tied == "modules_to_save":
            self._saved = {EMBEDDING, HEAD}

    def modules(self) -> Iterator[ModuleSpec]:
        """Raises UnusablePattern, AdapterIncompatible."""
        self._refuse_untouchable()
        for name, full_name, shape in self._candidates():
            if name in self._saved:  # PEFT never adapts a module that is saved
                yield ModuleSpec(name, full_name, shape, own_bias=shape.has_bias, whole=True)
            elif self._targets.include(full_name, self._matcher) or (self.tied and name in (EMBEDDING, HEAD)):
                yield self._low_rank(name, full_name, shape)
            elif self._tokens and (name == EMBEDDING or (name == HEAD and self._base.tied)):
                embedding = self._base.ends[EMBEDDING].full_name
                yield ModuleSpec(name, full_name, shape, tokens=self._tokens, embedding=embedding)
            elif shape.has_bias and self._config.bias == "all":
                yield ModuleSpec(name, full_name, shape, own_bias=True)

    def _candidates(self) -> Iterator[tuple[str, str, LinearShape]]:
        """(name, full name, shape) of every module that an adapter may change, in the order of the forward pass."""
        for name in (EMBEDDING, *self._base.modules, HEAD):
            if name in self._base.modules:
                yield name, self._base.prefix + name, self._base.modules[name]
            elif name in self._base.ends:
                yield name, *self._base.ends[name]

    def _low_rank(self, name: str, full_name: str, shape: LinearShape) -> ModuleSpec:
        config = self._config
        if name == EMBEDDING:
            for field in ("lora_bias", "alora_invocation_tokens"):
                if getattr(config, field):
                    raise AdapterIncompatible(
                        self._adapter, field, f"PEFT does not support it on an embedding, {full_name!r}"
                    )
        rank = self._matcher.pattern_value(config.rank_pattern or {}, full_name, config.r)
        alpha = self._matcher.pattern_value(config.alpha_pattern or {}, full_name, config.lora_alpha)
        if rank < 1:
            raise AdapterIncompatible(self._adapter, "r", f"{rank} at {full_name!r} is not a rank")
        if alpha == 0:
            problem = f"0 for {full_name!r}: the adapter would do nothing there"
            raise AdapterIncompatible(self._adapter, "lora_alpha", problem)
        return ModuleSpec(
            name,
            full_name,
            shape,
            rank=rank,
            scale=alpha / math.sqrt(rank) if config.use_rslora else alpha / rank,
            magnitude=bool(config.use_dora),
            lora_bias=bool(config.lora_bias),
            own_bias=shape.has_bias and config.bias != "none",
        )

    def _parse_targets(self) -> Targets:
        config = self._config
        one_regex = isinstance(config.target_modules, str)
        if one_regex and config.layers_to_transform is not None:
            problem = "needs target_modules to be a list"
            raise AdapterIncompatible(self._adapter, "layers_to_transform", problem)
        if config.layers_pattern and (one_regex or config.layers_to_transform is None):
            problem = "needs layers_to_transform and a list of target_modules"
            raise AdapterIncompatible(self._adapter, "layers_pattern", problem)
        layers = config.layers_to_transform
        targets = Targets(
            target_modules=_strings(config.target_modules),
            exclude_modules=_strings(config.exclude_modules or ()),
            layers_to_transform=frozenset((layers,) if isinstance(layers, int) else layers or ()),
            layers_pattern=tuple(_as_list(config.layers_pattern)),
        )
        if isinstance(targets.target_modules, str) and targets.target_modules.lower() == "all-linear":
            names = (self._base.prefix + name for name in self._base.modules)  # all but the output layer
            return Targets(frozenset(names), targets.exclude_modules)
        return targets

    def _saved_end(self, entry: str) -> str:
        """Which of the two ends an entry of modules_to_save names."""
        for name, end in self._base.ends.items():
            if _means(entry, end.full_name):
                return name
        ends = [end.full_name for end in self._base.ends.values()] or "none on this base"
        problem = f"an adapter can replace only {ends} as a whole, not {entry!r:.200}"
        raise AdapterIncompatible(self._adapter, "modules_to_save", problem)

    def _parse_tokens(self) -> tuple[int, ...]:
        """The tokens whose rows of the embedding the adapter replaces."""
        given, end = self._config.trainable_token_indices, self._base.ends.get(EMBEDDING)
        if not given:
            return ()
        names = list(given) if isinstance(given, dict) else []
        tokens = tuple(given if isinstance(given, list) else given[names[0]])
        head = self._base.ends.get(HEAD)
        problem = None
        if end is None or (self._base.tied and (head is None or head.shape.has_bias)):
            problem = "an adapter cannot replace rows of this base's embedding"
        elif len(names) > 1 or any(not _means(name, end.full_name) for name in names):
            problem = f"an adapter can replace rows of {end.full_name!r}, not of {names!r:.200}"
        elif len(set(tokens)) < len(tokens) or not all(token < end.shape.d_in for token in tokens):
            problem = f"a token occurs twice or is not below {end.shape.d_in}"
        elif self._saved or any(self._targets.include(e.full_name, self._matcher) for e in self._base.ends.values()):
            problem = "it cannot be combined with other changes to the embedding or the output layer"
        if problem:
            raise AdapterIncompatible(self._adapter, "trainable_token_indices", problem)
        return tokens

    def _refuse_untouchable(self) -> None:
        for full_name in sorted(self._base.unserved):
            if self._targets.include(full_name, self._matcher):
                problem = f"adapts {full_name!r}, which this node does not support"
                raise AdapterIncompatible(self._adapter, "target_modules", problem)

    def _parse_tying(self) -> Literal["modules_to_save", "target_modules"] | None:
        """The field that changes embedding and head alike, if any. PEFT ties nothing on a base without tied ends."""
        ends = self._base.ends
        if not self._config.ensure_weight_tying or not self._base.tied:
            return None
        targeted = [name for name, end in ends.items() if self._targets.include(end.full_name, self._matcher)]
        if not self._saved and not targeted:
            return None
        named_as_peft_knows_them = [end.full_name.rpartition(".")[2] for end in ends.values()] == [EMBEDDING, HEAD]
        config = self._config
        filtered = config.exclude_modules or config.layers_to_transform is not None
        unclear = targeted and (filtered or isinstance(config.target_modules, str))
        if not named_as_peft_knows_them or unclear or (self._saved and targeted):
            problem = (
                "only embed_tokens and lm_head are tied, listed in one of target_modules and modules_to_save alone"
            )
            raise AdapterIncompatible(self._adapter, "ensure_weight_tying", problem)
        return "modules_to_save" if self._saved else "target_modules"


def _means(entry: str, full_name: str) -> bool:
    return entry == full_name or (bool(entry) and full_name.endswith(f".{entry}"))


def _strings(value: str | Iterable[str]) -> str | frozenset[str]:
    return value if isinstance(value, str) else frozenset(value)


def _as_list(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) and value else list(value or ())
