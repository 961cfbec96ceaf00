"""Only the admin token opens the operator's routes, on either listener."""

import httpx2
import pytest

from tests.node.running import NodeThread

LOAD = "/v1/load_lora_adapter"


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}])
def test_adapters_are_changed_with_the_token_only(node: NodeThread, header: dict[str, str]) -> None:
    for base in (node.url, node.admin_url):
        answer = httpx2.post(base + LOAD, json={"lora_name": "x", "lora_path": "file:/x"}, headers=header)

        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "unauthorized"


def test_the_public_listener_has_no_admin_verbs(node: NodeThread) -> None:
    assert httpx2.get(node.url + "/admin/ps", headers=node.token).status_code == 404


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_s_case_does_not_matter(node: NodeThread, scheme: str) -> None:
    header = {"Authorization": f"{scheme} {node.world.admin_token}"}

    assert httpx2.get(node.admin_url + "/admin/status", headers=header).status_code == 200


@pytest.mark.parametrize("token", ["ü", "x", "x" * 5000])
def test_a_strange_token_is_a_wrong_one(node: NodeThread, token: str) -> None:
    header = {b"Authorization": b"Bearer " + token.encode()}

    assert httpx2.get(node.admin_url + "/admin/ps", headers=header).status_code == 401
