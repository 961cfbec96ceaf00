"""What `start` prints once the node is ready."""

import json
from dataclasses import replace

import pytest

from node.cli import banner
from node.dev.starter import BASE_NAME, pack
from tests.node.running import NodeThread


def test_the_last_line_says_how_long_the_start_took(node: NodeThread) -> None:
    ready = replace(node.ready, took_s=1.26)

    assert banner.lines(ready)[-1] == "Ready in 1.3 s"
    assert banner.document(ready)["readySeconds"] == 1.26


def test_the_banner_names_base_adapters_and_urls(node: NodeThread) -> None:
    text = "\n".join(banner.lines(node.ready))

    assert BASE_NAME in text
    assert all(adapter.name in text for adapter in pack().adapters)
    assert f"{node.url}/v1" in text
    assert node.admin_url in text


def test_the_example_is_a_command_for_this_home(node: NodeThread) -> None:
    (line,) = [line for line in banner.lines(node.ready) if line.startswith("Try")]

    assert "python -m node chat" in line
    assert "--pay" not in line
    assert f"--home {node.world.settings.home}" in line


def test_the_banner_holds_no_token(node: NodeThread) -> None:
    text = "\n".join(banner.lines(node.ready)) + json.dumps(banner.document(node.ready))

    assert node.world.admin_token not in text
    assert "DEV KEYS" not in text


@pytest.mark.parametrize("member", ["event", "version", "pid", "mode", "url", "adminUrl", "home", "models"])
def test_the_document_has_what_programs_need(node: NodeThread, member: str) -> None:
    assert banner.document(node.ready)[member]
