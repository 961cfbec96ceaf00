"""Only the admin token opens the operator's routes, on either listener."""

from dataclasses import replace

import httpx2
import pytest

from node.api.app import create_admin_app, create_app
from node.config import load
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


@pytest.mark.parametrize("token", ["a configured token", "mit Ümläuten und 漢字"])
async def test_a_configured_token_is_the_one_that_counts_on_both_listeners(node: NodeThread, token: str) -> None:
    settings = load({**node.world.settings.model_dump(), "admin_token": token}, {}).settings
    world = replace(node.world, settings=settings)

    for app, path in ((create_admin_app(world), "/admin/ps"), (create_app(world), LOAD)):
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://node") as client:
            headers = {b"Authorization": b"Bearer " + token.encode()}
            accepted = await client.request("GET" if "ps" in path else "POST", path, headers=headers)
            refused = await client.get(path, headers={"Authorization": f"Bearer {world.generated_token}"})

        assert accepted.status_code in (200, 400)
        assert refused.status_code in (401, 405)


def test_without_a_setting_the_token_is_generated(node: NodeThread) -> None:
    settings = load({**node.world.settings.model_dump(), "admin_token": "a configured token"}, {}).settings

    assert replace(node.world, settings=settings).admin_token == "a configured token"
    assert node.world.admin_token == node.world.generated_token
