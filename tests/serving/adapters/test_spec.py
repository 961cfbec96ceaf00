"""Every field of adapter_config.json is honoured or the adapter is refused by that field's name."""

import json
from dataclasses import replace
from typing import Any

import pytest

from serving.adapters.spec import AdapterSpec
from serving.errors import AdapterCorrupt, AdapterIncompatible
from tests.serving.adapters.tiny import CONFIG, base_shape


def parse(**changes: Any) -> AdapterSpec:
    fields = {name: value for name, value in {**CONFIG, **changes}.items() if value is not ...}
    return AdapterSpec.parse(json.dumps(fields).encode(), base_shape(), "test")


REFUSED: list[tuple[str, Any]] = [
    ("peft_type", "IA3"),
    ("peft_type", ...),
    ("task_type", "SEQ_CLS"),
    ("r", 0),
    ("r", -1),
    ("r", 4096),
    ("r", "8"),
    ("r", 2.5),
    ("r", True),
    ("r", ...),
    ("lora_alpha", 0),
    ("lora_alpha", "16"),
    ("lora_alpha", 1e300),
    ("lora_alpha", ...),
    ("use_rslora", "yes"),
    ("use_dora", "yes"),
    ("lora_bias", 1),
    ("bias", "some"),
    ("modules_to_save", ["lm_head"]),
    ("trainable_token_indices", [-5]),
    ("target_parameters", ["mlp.experts.gate_up_proj"]),
    ("alora_invocation_tokens", [1, -2]),
    ("alora_invocation_tokens", "<|start|>"),
    ("layer_replication", [[0, 2], [1, 2]]),
    ("use_qalora", True),
    ("use_bdlora", {"nblocks": 2}),
    ("arrow_config", {"top_k": 3}),
    ("kasa_config", {"beta": 1e-4}),
    ("velora_config", {"num_groups": 64}),
    ("monteclora_config", {"n": 1}),
    ("megatron_config", {"hidden_size": 1}),
    ("corda_config", {"corda_method": "ipm"}),
    ("lora_ga_config", {"direction": "ArB2r"}),
    ("loftq_config", {"loftq_bits": 4}),
    ("init_lora_weights", "pissa"),
    ("init_lora_weights", "pissa_niter_16"),
    ("init_lora_weights", "olora"),
    ("init_lora_weights", "corda"),
    ("init_lora_weights", "loftq"),
    ("init_lora_weights", "lora_ga"),
    ("init_lora_weights", "mica"),
    ("init_lora_weights", "something new"),
    ("a_field_of_a_later_peft", {"on": True}),
    ("target_modules", []),
    ("target_modules", ["nothing_is_called_so"]),
    ("target_modules", ["q_proj", "lm_head"]),
    ("target_modules", ["embed_tokens"]),
    ("target_modules", None),
    ("target_modules", 3),
    ("layers_pattern", "layers"),
    ("base_model_name_or_path", "acme/another"),
    ("base_model_name_or_path", "other/tiny"),
    ("rank_pattern", {"q_proj": "8"}),
    ("alpha_pattern", ["q_proj"]),
    ("exclude_modules", 7),
]


@pytest.mark.parametrize(("field", "value"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_field_that_cannot_be_honoured_refuses_the_adapter_by_its_name(field: str, value: Any) -> None:
    with pytest.raises(AdapterIncompatible) as refusal:
        parse(**{field: value})

    assert refusal.value.field == field
    assert refusal.value.adapter == "test"


@pytest.mark.parametrize("value", [None, False, [], {}, "", 0])
def test_an_unknown_field_without_a_value_is_no_obstacle(value: Any) -> None:
    assert parse(a_field_of_a_later_peft=value).modules == parse().modules


def test_fields_of_training_change_nothing() -> None:
    trained = parse(
        lora_dropout=0.5,
        inference_mode=False,
        peft_version="9.9",
        auto_mapping={"a": 1},
        megatron_core="megatron.core",
        qalora_group_size=16,
        eva_config={"rho": 2.0},
        init_lora_weights="eva",
        revision="main",
    )

    assert trained.modules == parse().modules


FITTING_NAMES = [
    "acme/tiny",
    "ACME/Tiny",
    "hf:acme/tiny@main",
    "/home/someone/tiny",
    "./tiny-base",
    "C:\\models\\tiny",
    None,
    "",
    ...,
]


@pytest.mark.parametrize("value", FITTING_NAMES)
def test_names_that_can_only_mean_this_base_are_accepted(value: Any) -> None:
    assert parse(base_model_name_or_path=value).modules


def test_a_base_in_a_folder_is_recognised_by_the_name_on_the_hub_and_the_other_way_round() -> None:
    from_folder = replace(base_shape(), aliases=frozenset({"/srv/models/tiny"}))
    from_hub = replace(base_shape(), aliases=frozenset({"hf:acme/tiny@main"}))

    assert from_folder.is_called("acme/tiny")
    assert from_hub.is_called("/srv/models/tiny")
    assert not from_hub.is_called("evil/tiny")


def test_another_commit_of_the_base_is_refused_if_both_are_known() -> None:
    base = replace(base_shape(), revision="a" * 40)
    raw = json.dumps({**CONFIG, "revision": "b" * 40}).encode()

    with pytest.raises(AdapterIncompatible, match="revision"):
        AdapterSpec.parse(raw, base, "test")


def test_a_pattern_that_would_match_without_end_is_given_up() -> None:
    with pytest.raises(AdapterIncompatible, match="takes too long"):
        parse(target_modules=r"(?:(?:.|..)+)+q_proj[^j]")


@pytest.mark.parametrize("pattern", ["(", "[", "*", "(?P<idx>x", "a" * 10_000])
def test_a_pattern_that_is_no_regular_expression_is_refused(pattern: str) -> None:
    with pytest.raises(AdapterIncompatible):
        parse(target_modules=pattern)


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b"\xff\xfe", b'{"r": 1, "r": 2}', b"[" * 100_000])
def test_a_config_that_is_not_one_json_object_is_corrupt(raw: bytes) -> None:
    with pytest.raises(AdapterCorrupt, match=r"adapter_config\.json"):
        AdapterSpec.parse(raw, base_shape(), "test")
