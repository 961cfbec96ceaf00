"""The fields of adapter_config.json that decide the forward pass. Any other field with a truthy value is refused."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.adapters.digests import CONFIG_FILE
from serving.adapters.mistaken_content import START_BYTES, mistaken_content
from serving.adapters.strict_json import InvalidJson, parse_object
from serving.errors import AdapterCorrupt, AdapterIncompatible

# Fields that steer or describe training: the forward pass does not depend on them.
_WITHOUT_EFFECT = frozenset(
    {"peft_version", "auto_mapping", "inference_mode", "lora_dropout", "eva_config", "runtime_config"}
    | {"fan_in_fan_out"}  # PEFT turns it off for linear layers, the only kind here
    | {"megatron_core", "qalora_group_size"}  # used only with megatron_config and use_qalora, which are refused
)
_REASONS = {
    "target_parameters": "it adapts fused parameters, not linear layers",
    "layer_replication": "it changes the depth of the base",
}
_INITS_THAT_CHANGE_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
_INITS_WITHOUT_EFFECT = ("gaussian", "orthogonal", "eva")


_Alpha = Annotated[int | float, Field(ge=-1e9, le=1e9)]
_Flag = bool | None
_Rank = Annotated[int, Field(ge=-(2**31), lt=2**31)]
"""Bounded so that arithmetic with it cannot overflow a double; `AdapterSpec` refuses ranks that cannot be served."""
_TokenId = Annotated[int, Field(ge=0, lt=2**32)]


class AdapterConfig(BaseModel):
    """adapter_config.json as PEFT writes it. `model_extra` holds the fields that are not declared here."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)

    peft_type: Literal["LORA"]
    r: _Rank
    lora_alpha: _Alpha
    target_modules: str | list[str]
    task_type: Literal["CAUSAL_LM"] | None = None
    base_model_name_or_path: str | None = None
    revision: str | None = None
    use_rslora: bool = False
    use_dora: _Flag = False
    lora_bias: _Flag = False
    bias: Literal["none", "all", "lora_only"] = "none"
    rank_pattern: dict[str, _Rank] | None = None
    alpha_pattern: dict[str, _Alpha] | None = None
    exclude_modules: str | list[str] | None = None
    layers_to_transform: int | list[int] | None = None
    layers_pattern: str | list[str] | None = None
    modules_to_save: list[str] | None = None
    ensure_weight_tying: _Flag = False
    trainable_token_indices: list[_TokenId] | dict[str, list[_TokenId]] | None = None
    alora_invocation_tokens: Annotated[list[_TokenId], Field(max_length=256)] | None = None
    init_lora_weights: bool | str | None = True

    @classmethod
    def parse(cls, raw: bytes, adapter: str) -> "AdapterConfig":
        """The config in `raw`. adapter: the name for errors.

        Raises AdapterCorrupt (not a strict JSON object) or AdapterIncompatible (names the field).
        """
        mistaken = mistaken_content(raw[:START_BYTES])
        if mistaken is not None:
            raise AdapterCorrupt(adapter, CONFIG_FILE, f"it is {mistaken}")
        try:
            fields = parse_object(raw)
        except InvalidJson as error:
            raise AdapterCorrupt(adapter, CONFIG_FILE, str(error)) from error
        try:
            config = cls.model_validate(fields)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            shown = "is missing" if first["type"] == "missing" else f"{first['msg']}, got {first['input']!r:.80}"
            raise AdapterIncompatible(adapter, str(first["loc"][0]), shown) from error
        _refuse_what_is_not_honoured(config, adapter)
        _refuse_combinations(config, adapter)
        return config

    @property
    def variant(self) -> str | None:
        """The field that makes the adapter more than a sum of low-rank products, so that it cannot be composed; or
        None.
        """
        fields = ("alora_invocation_tokens", "use_dora", "lora_bias", "modules_to_save", "trainable_token_indices")
        first = next((field for field in fields if getattr(self, field)), None)
        return "bias" if first is None and self.bias != "none" else first


def _refuse_what_is_not_honoured(config: AdapterConfig, adapter: str) -> None:
    for field, value in (config.model_extra or {}).items():
        if value and field not in _WITHOUT_EFFECT:
            reason = _REASONS.get(field, "this node does not support it")
            shown = field if field.isidentifier() and len(field) <= 80 else f"{field!r:.80}"
            raise AdapterIncompatible(adapter, shown, f"{reason} (the value is {value!r:.80})")
    init = config.init_lora_weights
    if isinstance(init, str) and init.lower() not in _INITS_WITHOUT_EFFECT:
        reason = "this node does not know this initialization"
        if init.lower().startswith(_INITS_THAT_CHANGE_THE_BASE):
            reason = (
                "it was trained on a modified base; save it with path_initial_model_for_weight_conversion to get a "
                "plain LoRA"
            )
        raise AdapterIncompatible(adapter, "init_lora_weights", f"{init!r:.80}: {reason}")


def _refuse_combinations(config: AdapterConfig, adapter: str) -> None:
    """Combinations that PEFT refuses too, and fields that would act on tokens before an activated LoRA's invocation."""
    if config.use_dora and config.lora_bias:
        raise AdapterIncompatible(adapter, "lora_bias", "PEFT does not support it together with use_dora")
    if not config.alora_invocation_tokens:
        return
    if config.use_dora:
        raise AdapterIncompatible(adapter, "use_dora", "PEFT does not support it together with alora_invocation_tokens")
    acting_everywhere = {
        "bias": config.bias != "none",
        "modules_to_save": config.modules_to_save,
        "trainable_token_indices": config.trainable_token_indices,
    }
    for field, value in acting_everywhere.items():
        if value:
            raise AdapterIncompatible(
                adapter,
                field,
                "it acts on all tokens, but alora_invocation_tokens only on those from the invocation on",
            )
