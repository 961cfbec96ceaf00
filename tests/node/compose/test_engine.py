"""What the settings ask of the engine."""

from pathlib import Path

import pytest

from node.compose.engine import configured_adapters, serving_config
from node.config import Settings, named_source
from node.dev import starter


@pytest.mark.parametrize(
    ("given", "name", "source"),
    [
        ("hf:org/x@main", "x", "hf:org/x@main"),
        ("mine=hf:org/x", "mine", "hf:org/x"),
        ("file:/srv/x/", "x", "file:/srv/x/"),
        ("s3://bucket/team/x", "x", "s3://bucket/team/x"),
        ("https://host/a=b/x#" + "0" * 64, "x", "https://host/a=b/x#" + "0" * 64),
    ],
)
def test_an_adapter_without_a_name_takes_its_sources(given: str, name: str, source: str) -> None:
    assert named_source(given) == (name, source)


def test_the_operators_object_store_and_sources_reach_the_engine(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, base=str(tmp_path), s3_endpoint="http://127.0.0.1:9000", adapter_sources=("s3://bucket/",)
    )

    config = serving_config(settings)

    assert config.sources.s3_endpoint == "http://127.0.0.1:9000"
    assert config.allowed_sources == ("s3://bucket/",)


@pytest.mark.parametrize(("flags", "allowed"), [({"free": True}, True), ({"dev": True}, False), ({}, False)])
def test_only_a_node_that_does_not_charge_adds_adapters_up(
    flags: dict[str, bool], allowed: bool, tmp_path: Path
) -> None:
    assert serving_config(Settings(home=tmp_path, base=str(tmp_path), **flags)).compositions is allowed  # type: ignore[arg-type]


def test_the_configuration_adds_adapters_to_the_starter_s_and_may_replace_them(tmp_path: Path) -> None:
    own = starter.pack().adapters[0].name
    named = configured_adapters(Settings(home=tmp_path, adapters=("file:/srv/x", f"{own}=file:/srv/y")))

    assert set(named) == {"x", *(adapter.name for adapter in starter.pack().adapters)}
    assert (named["x"], named[own]) == ("file:/srv/x", "file:/srv/y")
    assert configured_adapters(Settings(home=tmp_path, base=str(tmp_path))) == {}
