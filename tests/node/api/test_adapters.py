"""Adapters as assets, on a node without a chain."""

import httpx2
import pytest

from node.dev.starter import BASE_NAME, pack


def test_every_adapter_is_listed_by_name_and_the_base_is_not(http: httpx2.Client) -> None:
    listed = http.get("/adapters").json()["data"]

    names = [adapter["name"] for adapter in listed]
    assert names == sorted(names)
    assert {adapter.name for adapter in pack().adapters} <= set(names)
    assert BASE_NAME not in names
    assert "object" not in listed[0]


def test_an_adapter_is_found_by_name_by_digest_and_behind_its_base(http: httpx2.Client) -> None:
    name = pack().adapters[0].name
    adapter = http.get(f"/adapters/{name}").json()

    assert http.get(f"/adapters/{name}@{adapter['digest']}").json()["digest"] == adapter["digest"]
    assert http.get(f"/adapters/{BASE_NAME}:{name}").json()["digest"] == adapter["digest"]


def test_without_a_chain_an_adapter_has_no_terms(http: httpx2.Client) -> None:
    assert http.get(f"/adapters/{pack().adapters[0].name}/provenance").json()["terms"] is None


@pytest.mark.parametrize("name", [BASE_NAME, "nobody", "nobody/provenance"])
def test_what_is_no_adapter_is_not_found(http: httpx2.Client, name: str) -> None:
    answer = http.get(f"/adapters/{name}")

    assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")
