"""Logs: one event a line on stderr, no secrets, and no failure of the work that they report."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from node.process.logs import configure
from node.redaction import Redactor

KEY = "s3cr3t-Key_0123456789"
URL = f"https://user:pass{KEY}@rpc.example/v3/{KEY}?token={KEY}"


@pytest.fixture(autouse=True)
def defaults_afterwards() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def run(program: str, stderr: int = subprocess.PIPE) -> "subprocess.CompletedProcess[str]":
    """`program` in a process of its own, whose stderr is as this test wants it."""
    setup = (
        "import logging, sys, structlog\nfrom node.process.logs import configure\n"
        f"from node.redaction import Redactor\nurl = {URL!r}\nredact = Redactor([url])\n"
    )
    words = [sys.executable, "-c", setup + program]
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=stderr, text=True, check=False, timeout=60)


def test_events_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")

    structlog.get_logger().info("adapter_loaded", rank=16)

    assert json.loads(capsys.readouterr().err)["event"] == "adapter_loaded"


def test_events_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure("warning", "json")

    structlog.get_logger().info("adapter_loaded", rank=16)

    assert capsys.readouterr().err == ""


WORK = """
configure("info", "text")
{close}
structlog.get_logger().warning("fee_forgone")
logging.getLogger("urllib3").warning("retrying")
print("the work went on")
"""


@pytest.mark.parametrize(
    "close",
    ["sys.stderr.close()", "import os; os.close(2)", "sys.stderr = open('/dev/full', 'w')"],
    ids=["closed stream", "closed descriptor", "full disk"],
)
def test_work_goes_on_where_standard_error_cannot_be_written(close: str) -> None:
    done = run(WORK.format(close=close))

    assert done.stdout == "the work went on\n"


def test_work_goes_on_where_nobody_reads_standard_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)

    done = run(WORK.format(close=""), stderr=writer)
    os.close(writer)

    assert done.stdout == "the work went on\n"


def test_lines_are_written_again_once_standard_error_works_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure("info", "text")
    with open(os.devnull, "w") as closed:
        pass

    with monkeypatch.context() as broken:
        broken.setattr(sys, "stderr", closed)
        structlog.get_logger().warning("lost")
    structlog.get_logger().warning("written")

    assert "written" in capsys.readouterr().err


LEAKS = """
configure("debug", {form!r}, redact)
log = structlog.get_logger()
log.warning("chain_troubled", reason=f"The chain at {{url}} is unavailable", urls=[url, {{"url": url}}])
try:
    import requests
    requests.get(url.replace("rpc.example", "127.0.0.1:1").replace("https", "http"), timeout=5)
except requests.RequestException as error:
    log.error("request_failed", exc_info=error)
    logging.getLogger("asyncio").error("never retrieved", exc_info=error)
logging.getLogger("urllib3").warning("retrying %s", url)
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_line_holds_a_part_of_a_url_that_may_be_a_key(form: str) -> None:
    done = run(LEAKS.format(form=form))

    assert done.returncode == 0, done.stderr
    assert "Max retries exceeded" in done.stderr
    assert "retrying https://rpc.example/***" in done.stderr
    assert KEY not in done.stderr


def test_events_in_this_process_are_redacted_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json", Redactor([URL]))

    structlog.get_logger().info("chain_followed", url=URL)

    assert json.loads(capsys.readouterr().err)["url"] == "https://rpc.example/***"
