"""adapter_config.json of strangers: bytes that are no config are corrupt, values out of bounds incompatible."""

import json
from typing import Any

import pytest

from serving.adapters.adapter_config import AdapterConfig
from serving.errors import AdapterCorrupt, AdapterIncompatible
from tests.serving.adapters.tiny import CONFIG


def parse(**changes: Any) -> AdapterConfig:
    return AdapterConfig.parse(json.dumps({**CONFIG, **changes}).encode(), "test")


def with_raw(field: str, value: str) -> bytes:
    return json.dumps({**CONFIG, field: "HERE"}).replace('"HERE"', value).encode()


CORRUPT = {
    "NaN": (with_raw("lora_dropout", "NaN"), "NaN is not a JSON number"),
    "Infinity": (with_raw("lora_alpha", "Infinity"), "Infinity is not a JSON number"),
    "beyond a double": (with_raw("lora_alpha", "1e400"), "too large"),
    "a huge integer": (with_raw("r", "9" * 5000), "too large"),
    "deep": (with_raw("auto_mapping", "[" * 50_000 + "]" * 50_000), "nested more than 16 deep"),
    "a key twice": (b'{"r": 8, ' + json.dumps(CONFIG).encode()[1:], "key 'r' occurs twice"),
    "not UTF-8": (json.dumps(CONFIG).encode("utf-16"), "not valid UTF-8"),
    "half of a surrogate pair": (b'{"\\ud800": true}', "half of a surrogate pair"),
    "an HTML page": (b"<!doctype html><p>Not found", "it is an HTML page"),
    "empty": (b"", "it is empty"),
}


@pytest.mark.parametrize(("raw", "reason"), CORRUPT.values(), ids=CORRUPT.keys())
def test_bytes_that_are_no_config_are_corrupt(raw: bytes, reason: str) -> None:
    with pytest.raises(AdapterCorrupt) as refusal:
        AdapterConfig.parse(raw, "test")

    assert reason in str(refusal.value)


@pytest.mark.parametrize("value", [10**39, -(10**38), 2**31])
@pytest.mark.parametrize("alpha", [16, 16.0])
def test_a_rank_beyond_all_arithmetic_is_refused_by_its_name(value: int, alpha: float) -> None:
    with pytest.raises(AdapterIncompatible, match="r: "):
        parse(r=value, lora_alpha=alpha)
    with pytest.raises(AdapterIncompatible, match="rank_pattern: "):
        parse(rank_pattern={"q_proj": value}, lora_alpha=alpha)


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[31m", "x" * 5000])
def test_the_name_of_an_unknown_field_is_shown_in_printable_characters(name: str) -> None:
    with pytest.raises(AdapterIncompatible) as refusal:
        parse(**{name: True})

    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 300
    str(refusal.value).encode()


def test_the_field_that_keeps_an_adapter_out_of_a_composition_is_named() -> None:
    assert parse().variant is None
    assert parse(bias="all").variant == "bias"
    assert parse(use_dora=True, bias="all").variant == "use_dora"
