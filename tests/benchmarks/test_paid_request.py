"""The comparison of paid and unpaid requests."""

import json

import httpx2
import pytest

from benchmarks.paid_request import ROUNDS, WARM_UP, compare, summary, timed_request


def client(paths: list[tuple[str, int]], name: str, status: int = 200) -> httpx2.Client:
    """A client whose requests are noted in `paths` as (name, max_tokens) and answered with `status`."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        paths.append((name, json.loads(request.content)["max_tokens"]))
        return httpx2.Response(status, json={})

    return httpx2.Client(transport=httpx2.MockTransport(answer), base_url="http://node")


def test_both_nodes_are_asked_in_turn_with_the_same_request() -> None:
    asked: list[tuple[str, int]] = []

    row = compare(client(asked, "free"), client(asked, "paid"), 15)

    assert asked == [("free", 15), ("paid", 15)] * (WARM_UP + ROUNDS)
    assert row["output_tokens"] == 15


def test_the_ratio_is_the_median_of_the_pairs_and_not_the_ratio_of_medians() -> None:
    row = summary([(0.010, 0.010), (0.020, 0.040), (0.030, 0.090)], 1)

    assert (row["unpaid_ms"], row["paid_ms"], row["ratio"]) == (20.0, 40.0, 2.0)


def test_a_refused_request_is_no_measurement() -> None:
    with pytest.raises(httpx2.HTTPStatusError):
        timed_request(client([], "paid", status=402), 1)
