"""The `adapter` verbs on a running node, and what they show of adapters that could not be loaded."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.dev.starter import StarterAdapter, pack
from tests.node.cli.conftest import Cli
from tests.node.running import free_settings, node_thread


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The home of a node with one adapter that loads and one whose source is missing."""
    home = tmp_path_factory.mktemp("failing-node")
    given = [f"good=file:{pack().adapters[0].path}", f"bad=file:{home}/missing"]
    with node_thread(free_settings(home, adapters=given)):
        yield str(home)


@pytest.mark.parametrize("verb", [("adapter", "list"), ("ps",)])
def test_an_adapter_that_could_not_be_loaded_is_listed_with_its_error(cli: Cli, failing: str, verb: tuple[str]) -> None:
    done = cli("--home", failing, *verb)

    assert done.code == 0
    (line,) = [line for line in done.out.replace("\n", " ").split("!!  ") if line.startswith("bad")]
    assert "not served" in line
    assert "there is no such folder" in line


def test_json_lists_it_too(cli: Cli, failing: str) -> None:
    listed = {each["name"]: each for each in json.loads(cli("--home", failing, "adapter", "list", "--json").out)}
    shown = json.loads(cli("--home", failing, "ps", "--json").out)["failed"]

    assert "there is no such folder" in listed["bad"]["error"]
    assert "error" not in listed["good"]
    assert [(each["name"], each["served"]) for each in shown] == [("bad", False)]


def test_another_node_s_list_needs_no_admin_token(
    cli: Cli, failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLORA_NODE", json.loads((Path(failing) / "run.json").read_text())["url"])
    done = cli("--home", str(tmp_path), "adapter", "list", "--json")

    assert "good" in {each["name"] for each in json.loads(done.out)}


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


def test_a_name_with_a_slash_is_shown_pinned_and_removed(cli: Cli, home: str, adapter: StarterAdapter) -> None:
    added = cli("--home", home, "adapter", "add", f"file:{adapter.path}", "--name", "team/twin")
    verbs = [cli("--home", home, "adapter", verb, "team/twin") for verb in ("show", "pin", "unpin", "evict", "remove")]

    assert "team/twin added" in added.out
    assert [done.code for done in verbs] == [0] * 5
    assert "team/twin removed" in verbs[-1].out
