"""Logs never fail the work they tell of."""

import os
import sys
from collections.abc import Iterator

import pytest
import structlog

from node.process.logs import configure


@pytest.fixture(autouse=True)
def defaults_afterwards() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_events_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")

    structlog.get_logger().info("adapter_loaded", rank=16)

    assert '"event": "adapter_loaded"' in capsys.readouterr().err


def test_a_closed_standard_error_loses_the_line_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    configure("info", "text")
    with open(os.devnull, "w") as closed:
        pass
    monkeypatch.setattr(sys, "stderr", closed)

    structlog.get_logger().warning("fee_forgone")


def test_a_pipe_that_nobody_reads_loses_the_line_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    configure("info", "text")
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as broken:
        monkeypatch.setattr(sys, "stderr", broken)

        structlog.get_logger().warning("fee_forgone")

        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)  # so that closing it has somewhere to flush to
