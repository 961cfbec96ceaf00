"""Receipts by id and in pages."""

import httpx2
import pytest

from node.dev.starter import BASE_NAME


def test_receipts_are_public_but_not_their_salts(http: httpx2.Client) -> None:
    given = http.post("/v1/completions", json={"model": BASE_NAME, "prompt": "Hi", "max_tokens": 1}).json()["receipt"]

    public = http.get(f"/receipts/{given['id']}").json()

    assert public["receipt"] == given["receipt"]
    assert public["signature"] == given["signature"]
    assert not [key for key in public if "alt" in key]
    assert given["id"] in [one["id"] for one in http.get("/receipts", params={"limit": 100}).json()["data"]]


def test_lists_of_receipts_are_paged_without_gaps(http: httpx2.Client) -> None:
    for _ in range(3):
        http.post("/v1/completions", json={"model": BASE_NAME, "prompt": "Hi", "max_tokens": 1})
    whole = [receipt["id"] for receipt in http.get("/receipts", params={"limit": 100}).json()["data"]]

    paged, cursor = [], None
    while len(paged) < len(whole):
        page = http.get("/receipts", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        paged += [receipt["id"] for receipt in page["data"]]
        cursor = page["next"]

    assert paged == whole


@pytest.mark.parametrize("cursor", ["x", "12", "12-0x12", "-0x" + "11" * 32])
def test_a_cursor_of_another_list_is_refused(http: httpx2.Client, cursor: str) -> None:
    refused = http.get("/receipts", params={"cursor": cursor})

    assert (refused.status_code, refused.json()["param"]) == (400, "cursor")


def test_an_unknown_receipt_is_not_found(http: httpx2.Client) -> None:
    assert http.get("/receipts/0x" + "11" * 32).json()["code"] == "not_found"


def test_an_empty_payer_is_refused_and_does_not_mean_everybody(http: httpx2.Client) -> None:
    refused = http.get("/receipts", params={"payer": ""})

    assert (refused.status_code, refused.json()["param"]) == (400, "payer")
