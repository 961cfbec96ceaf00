"""Several adapters in one request, over HTTP, on a node that does not charge."""

import httpx2
import pytest

from node.dev.starter import BASE_NAME
from tests.node.api.test_refusals import CHAT, refusal

SUM = "cardiology*0.7+nutrition*0.3"


def asked(model: str) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8, "temperature": 0}


def test_a_sum_of_adapters_answers_under_the_name_it_was_asked_by(http: httpx2.Client) -> None:
    summed = http.post(CHAT, json=asked(SUM)).raise_for_status().json()
    again = http.post(CHAT, json=asked("nutrition*0.3+cardiology*0.7")).raise_for_status().json()
    single = http.post(CHAT, json=asked("cardiology")).raise_for_status().json()

    assert summed["model"] == SUM
    assert again["choices"] == summed["choices"]
    keys = [each["receipt"]["receipt"]["adapterKey"] for each in (summed, again, single)]
    assert keys[0] == keys[1] != keys[2]


def test_a_sum_of_adapters_is_described_but_not_listed(http: httpx2.Client) -> None:
    described = http.get(f"/v1/models/{SUM}").raise_for_status().json()
    listed = [each["id"] for each in http.get("/v1/models").json()["data"]]

    assert (described["id"], described["parent"], described["root"]) == (SUM, BASE_NAME, "composition")
    assert SUM not in listed


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("cardiology*2x+nutrition", (400, "invalid_request", "model")),
        ("cardiology+nobody", (404, "model_not_found", None)),
        (f"cardiology+{BASE_NAME}", (404, "model_not_found", None)),
    ],
)
def test_a_sum_that_cannot_be_made_is_refused(
    http: httpx2.Client, model: str, expected: tuple[int, str, str | None]
) -> None:
    assert refusal(http, CHAT, asked(model)) == expected
