"""The start as a person or a program sees it."""

import json

import pytest

from node.cli.context import Context
from node.cli.screen import Screen
from tests.node.running import NodeThread


def test_a_program_gets_one_document(node: NodeThread, capsys: pytest.CaptureFixture[str]) -> None:
    with Screen(Context(as_json=True)) as screen:
        screen.progress("Loading", 0.5)
        screen.ready(node.ready)
        screen.draining(1, 30.0)

    assert json.loads(capsys.readouterr().out)["event"] == "ready"


@pytest.mark.parametrize(
    ("requests", "said"), [(0, "no request is running"), (3, "waiting up to 30 s for 3 running requests")]
)
def test_a_person_is_told_what_the_drain_waits_for(
    requests: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Screen(Context()) as screen:
        screen.draining(requests, 30.0)

    assert f"Draining: {said}. Press Ctrl-C again to force." in capsys.readouterr().out
