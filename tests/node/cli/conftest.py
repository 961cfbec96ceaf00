"""Command lines run in this process, and a free node for those that need one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.cli.app import main
from tests.node.running import NodeThread, free_settings, node_thread


@dataclass(frozen=True, slots=True)
class Done:
    """A finished command line."""

    code: int
    out: str
    err: str


Cli = Callable[..., Done]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Runs `openlora WORDS…` in a home of its own, unless --home says otherwise."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("OPENLORA_HOME", raising=False)

    def run(*words: str) -> Done:
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capfd.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture(scope="package")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeThread]:
    with node_thread(free_settings(tmp_path_factory.mktemp("cli-node"))) as running:
        yield running


@pytest.fixture
def home(node: NodeThread) -> str:
    return str(node.world.settings.home)
