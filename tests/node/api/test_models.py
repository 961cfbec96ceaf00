"""GET /v1/models: what an OpenAI or vLLM client reads of each model."""

import httpx2
import pytest

from node.dev.starter import BASE_NAME, StarterAdapter
from serving.adapters.digests import adapter_digest


def test_an_adapter_has_the_base_as_its_parent_and_its_digest(http: httpx2.Client, adapter: StarterAdapter) -> None:
    model = http.get(f"/v1/models/{adapter.name}").json()
    base = http.get(f"/v1/models/{BASE_NAME}").json()

    assert (model["id"], model["object"], model["parent"]) == (adapter.name, "model", BASE_NAME)
    assert model["digest"] == adapter_digest(adapter.path)
    assert (base["root"], base["parent"], base["rank"], base["pinned"]) == (BASE_NAME, None, 0, True)
    assert model["max_model_len"] == base["max_model_len"] > 0
    assert model["prices"] is None  # a free node sells nothing


def test_strangers_see_only_the_last_part_of_a_local_folder(http: httpx2.Client, adapter: StarterAdapter) -> None:
    root = http.get(f"/v1/models/{adapter.name}").json()["root"]

    assert root == f"file:{adapter.path.name}"


def test_a_model_is_found_by_digest_and_after_the_base_s_name(http: httpx2.Client, adapter: StarterAdapter) -> None:
    digest = adapter_digest(adapter.path)

    for spelled in (f"{adapter.name}@{digest[:12]}", f"{BASE_NAME}:{adapter.name}"):
        assert http.get(f"/v1/models/{spelled}").json()["digest"] == digest


@pytest.mark.parametrize("model", ["nobody", "team/nobody", "a/b/c/d"])
def test_an_unknown_model_is_not_found(http: httpx2.Client, model: str) -> None:
    answer = http.get(f"/v1/models/{model}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"cursor": "x" * 201}])
def test_a_page_that_means_nothing_is_refused(http: httpx2.Client, query: dict[str, str]) -> None:
    assert http.get("/v1/models", params=query).status_code == 400
