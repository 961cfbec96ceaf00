"""`adapter` with a running node."""

import json

import pytest

from node.dev.starter import StarterAdapter, pack
from tests.node.cli.conftest import Cli


@pytest.fixture
def adapter() -> StarterAdapter:
    return pack().adapters[0]


def test_adapters_are_added_listed_pinned_and_removed(cli: Cli, home: str, adapter: StarterAdapter) -> None:
    added = cli("--home", home, "adapter", "add", f"file:{adapter.path}", "--name", "twin")
    again = cli("--home", home, "adapter", "add", f"file:{adapter.path}", "--name", "twin")
    listed = json.loads(cli("--home", home, "adapter", "list", "--json").out)
    pinned = cli("--home", home, "adapter", "pin", "twin")
    shown = json.loads(cli("--home", home, "adapter", "show", "twin").out)
    unpinned = cli("--home", home, "adapter", "unpin", "twin")
    evicted = cli("--home", home, "adapter", "evict", "twin")
    removed = cli("--home", home, "adapter", "remove", "twin")

    assert (added.code, added.out) == (0, "twin added\n")
    assert again.code == 2
    assert "twin" in {one["name"] for one in listed}
    assert (pinned.code, unpinned.code, evicted.code, removed.code) == (0, 0, 0, 0)
    assert shown["rank"] == 8
    assert cli("--home", home, "adapter", "show", "twin").code == 6


def test_a_source_that_does_not_exist_is_a_model_failure(cli: Cli, home: str) -> None:
    done = cli("--home", home, "adapter", "add", "file:/nonexistent/adapter")

    assert done.code == 6
    assert "Traceback" not in done.err
