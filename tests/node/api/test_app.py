"""The two applications of a node."""

import httpx2

from tests.node.running import NodeThread


def paths(url: str) -> set[str]:
    return set(httpx2.get(f"{url}/openapi.json").json()["paths"])


def test_the_public_app_has_no_operator_routes_but_vllms(node: NodeThread) -> None:
    public = paths(node.url)

    assert not [path for path in public if path.startswith("/admin")]
    assert {"/v1/load_lora_adapter", "/v1/unload_lora_adapter"} < public


def test_the_operators_app_answers_no_inference(node: NodeThread) -> None:
    operator = paths(node.admin_url)

    assert {"/admin/ps", "/admin/settle", "/v1/load_lora_adapter", "/readyz"} < operator
    assert not [path for path in operator if "completions" in path]


def test_documentation_that_loads_scripts_from_elsewhere_is_off(node: NodeThread) -> None:
    assert httpx2.get(f"{node.url}/redoc").status_code == 404
    assert httpx2.get(f"{node.admin_url}/redoc").status_code == 404
