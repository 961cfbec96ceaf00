"""PEFT's rules for patterns and targets, checked against PEFT, within a budget of time that strangers cannot exceed."""

import pytest
from peft import LoraConfig
from peft.tuners.tuners_utils import check_target_module_exists
from peft.utils.other import get_pattern_key

from serving.adapters.matching import Matcher, Targets, UnusablePattern
from tests.serving.adapters.tiny import base_shape

NAMES = [f"model.{name}" for name in base_shape().modules]


@pytest.mark.parametrize("pattern", [r"((.|\w)(.|\w)?)+(?<!j)", r"(.*?,){11}P|(.|\w)*(?<!j)$"])
def test_all_patterns_of_a_config_share_one_budget_of_time(pattern: str) -> None:
    matcher = Matcher(budget_s=0.1)

    def match_all() -> None:
        for module in base_shape().modules:
            matcher.pattern_value({pattern: 1}, f"model.{module}", 0)

    with pytest.raises(UnusablePattern, match="takes too long"):
        match_all()


def test_many_literal_patterns_share_the_budget_as_well() -> None:
    matcher, patterns = Matcher(budget_s=0.05), {f"p{i}": i for i in range(20_000)}

    with pytest.raises(UnusablePattern, match="too many patterns"):
        matcher.pattern_value(patterns, NAMES[0], -1)


@pytest.mark.parametrize(
    "patterns",
    [
        {"q_proj": 1, "self_attn.q_proj": 2},
        {"layers.1.self_attn.q_proj": 1},
        {r"layers\.\d+\.mlp\..*": 1, "down_proj": 2},
        {"^model.layers.0.mlp.up_proj$": 1},
        {"_proj": 1},
        {"layers.0.self_attn.(q|k)_proj": 1, "k.proj": 2},
    ],
)
def test_the_first_pattern_that_peft_picks_gives_the_value(patterns: dict[str, int]) -> None:
    for name in NAMES:
        expected = patterns.get(get_pattern_key(patterns, name), 0)

        assert Matcher().pattern_value(patterns, name, 0) == expected


@pytest.mark.parametrize(
    ("targets", "config"),
    [
        (Targets(frozenset({"q_proj", "mlp.up_proj"})), {"target_modules": ["q_proj", "mlp.up_proj"]}),
        (Targets(frozenset({"proj", "", "q_proj."})), {"target_modules": ["proj", "", "q_proj."]}),
        (Targets(r".*\.(q|k)_proj"), {"target_modules": r".*\.(q|k)_proj"}),
        (
            Targets(frozenset({"q_proj"}), exclude_modules=frozenset({"layers.1.self_attn.q_proj"})),
            {"target_modules": ["q_proj"], "exclude_modules": ["layers.1.self_attn.q_proj"]},
        ),
        (
            Targets(frozenset({"q_proj"}), layers_to_transform=frozenset({1})),
            {"target_modules": ["q_proj"], "layers_to_transform": [1]},
        ),
        (
            Targets(frozenset({"q_proj"}), layers_to_transform=frozenset({0}), layers_pattern=("layers",)),
            {"target_modules": ["q_proj"], "layers_to_transform": [0], "layers_pattern": ["layers"]},
        ),
    ],
)
def test_the_modules_that_peft_adapts_are_included(targets: Targets, config: dict[str, object]) -> None:
    peft = LoraConfig(**config)

    included = [name for name in NAMES if targets.include(name, Matcher())]

    assert included == [name for name in NAMES if check_target_module_exists(peft, name)]
