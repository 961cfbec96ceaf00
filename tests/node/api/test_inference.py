"""An inference's bookkeeping does not depend on its client: what fails is logged, what was accepted is finished."""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from structlog.testing import capture_logs

from node.compose.free import FreeCheckout
from node.dev.starter import BASE_NAME
from serving.errors import SourceUnavailable
from tests.node.running import NodeThread, free_settings, node_thread

BODY = {"model": BASE_NAME, "prompt": "Hi", "max_tokens": 60, "ignore_eos": True}
NAMED = {"X-Request-Id": "the-client-s-own-id"}


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeThread]:
    with node_thread(free_settings(tmp_path_factory.mktemp("fresh-node"))) as running:
        yield running


@pytest.fixture
def broken_receipts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*arguments: object) -> None:
        raise RuntimeError("/a/secret/path")

    monkeypatch.setattr(FreeCheckout, "record", broken)


def wait_until_idle(node: NodeThread) -> None:
    deadline = time.monotonic() + 60
    while len(node.world.runs):
        assert time.monotonic() < deadline, "a request does not end"
        time.sleep(0.005)


@pytest.mark.usefixtures("broken_receipts")
def test_an_error_that_ends_a_stream_is_in_the_log_under_the_client_s_request_id(
    node: NodeThread, http: httpx2.Client
) -> None:
    with (
        capture_logs() as logs,
        http.stream("POST", "/v1/completions", json=BODY | {"stream": True}, headers=NAMED) as s,
    ):
        last = [line for line in s.iter_lines() if line][-1]

    error = json.loads(last.removeprefix("data: "))["error"]
    assert error["code"] == "internal_error"
    assert "log has the details" in error["message"]
    assert "secret" not in last
    ended = [line for line in logs if line["event"] == "stream_failed"]
    assert [line["request_id"] for line in ended] == [NAMED["X-Request-Id"]]
    assert "/a/secret/path" in str(ended[0]["exc_info"])


def test_an_error_that_ends_a_stream_shows_no_key_of_a_configured_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = "http://127.0.0.1:9/store/s3-key-planted"

    async def failing(*arguments: object) -> None:
        raise SourceUnavailable("s3://bucket/a", f"{endpoint} does not answer")

    monkeypatch.setattr(FreeCheckout, "record", failing)
    with (
        node_thread(free_settings(tmp_path, s3_endpoint=endpoint)) as running,
        httpx2.Client(base_url=running.url, timeout=60) as http,
        http.stream("POST", "/v1/completions", json=BODY | {"stream": True, "max_tokens": 2}) as stream,
    ):
        last = [line for line in stream.iter_lines() if line][-1]

    assert "does not answer" in last
    assert "planted" not in last


@pytest.mark.usefixtures("broken_receipts")
def test_a_receipt_that_could_not_be_written_is_in_the_log_although_the_client_has_left(
    node: NodeThread, http: httpx2.Client
) -> None:
    long = BODY | {"max_tokens": 400, "stream": True}

    with capture_logs() as logs:
        with http.stream("POST", "/v1/completions", json=long, headers=NAMED) as stream:
            next(stream.iter_lines())
        wait_until_idle(node)

    failed = [line for line in logs if line["event"] == "receipt_failed"]
    assert [line["request_id"] for line in failed] == [NAMED["X-Request-Id"]]
    assert failed[0]["generation_id"]


def test_every_request_accepted_before_a_drain_is_finished(fresh: NodeThread) -> None:
    """Some of the sixteen run, some are still being prepared or recorded when the drain begins."""

    def ask(number: int) -> httpx2.Response:
        return httpx2.post(fresh.url + "/v1/completions", json=BODY | {"prompt": f"Question {number}"}, timeout=120)

    with ThreadPoolExecutor(16) as callers:
        answers = [callers.submit(ask, number) for number in range(16)]
        while len(fresh.world.runs) < 16:
            time.sleep(0.0005)
        work = fresh.world.runs.drain(120, fresh.world.service.abort)
        draining = asyncio.run_coroutine_threadsafe(work, fresh.loop)
        finished = [answer.result(120).json() for answer in answers]

    assert [answer["choices"][0]["finish_reason"] for answer in finished] == ["length"] * 16
    assert draining.result(120) == 0
    assert httpx2.post(fresh.url + "/v1/completions", json=BODY).status_code == 503


def test_a_request_that_waits_for_its_adapter_is_finished_too(fresh: NodeThread) -> None:
    adapters = [card.name for card in fresh.world.service.models() if card.adapter]

    def ask(name: str) -> httpx2.Response:
        return httpx2.post(fresh.url + "/v1/completions", json=BODY | {"model": name}, timeout=120)

    with ThreadPoolExecutor(len(adapters)) as callers:
        answers = [callers.submit(ask, name) for name in adapters]
        while len(fresh.world.runs) < len(adapters):
            time.sleep(0.0005)
        work = fresh.world.runs.drain(120, fresh.world.service.abort)
        aborted = asyncio.run_coroutine_threadsafe(work, fresh.loop).result(120)

    assert aborted == 0
    assert {answer.result().json()["choices"][0]["finish_reason"] for answer in answers} == {"length"}
