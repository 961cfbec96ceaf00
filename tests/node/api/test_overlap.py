"""An operator's calls that overlap, names with a slash, and adapters that fail at the start, over HTTP."""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from node.dev import starter
from node.dev.starter import StarterAdapter
from serving.adapters.digests import WEIGHTS_FILE, adapter_digest
from tests.node.running import NodeThread, free_settings, node_thread

LOAD, UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"


@pytest.fixture
def admin(node: NodeThread) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=node.admin_url, headers=node.token, timeout=60) as client:
        yield client


@pytest.fixture
def adapters() -> list[StarterAdapter]:
    return list(starter.pack().adapters)


def load(admin: httpx2.Client, name: str, source: Path, *, inplace: bool = False) -> httpx2.Response:
    return admin.post(LOAD, json={"lora_name": name, "lora_path": str(source), "load_inplace": inplace})


@contextmanager
def served(admin: httpx2.Client, name: str, source: Path) -> Iterator[str]:
    """The name is served during the body, from its digest."""
    assert load(admin, name, source).status_code == 200
    try:
        yield name
    finally:
        admin.post(UNLOAD, json={"lora_name": name})


def test_of_two_loads_of_one_new_name_exactly_one_succeeds(
    admin: httpx2.Client, http: httpx2.Client, adapters: list[StarterAdapter]
) -> None:
    for _ in range(5):
        together = threading.Barrier(2)

        def one(adapter: StarterAdapter, together: threading.Barrier = together) -> httpx2.Response:
            together.wait()
            return load(admin, "contested", adapter.path)

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(one, adapters[:2]))
        digest = http.get("/v1/models/contested").json()["digest"]
        admin.post(UNLOAD, json={"lora_name": "contested"}).raise_for_status()

        assert sorted(answer.status_code for answer in answers) == [200, 400]
        winner = next(i for i, answer in enumerate(answers) if answer.status_code == 200)
        assert digest == adapter_digest(adapters[winner].path)
        assert answers[1 - winner].json()["error"]["type"] == "InvalidUserInput"


def test_a_load_in_place_during_another_of_the_same_folder_serves_later_bytes(
    admin: httpx2.Client, http: httpx2.Client, adapters: list[StarterAdapter], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(adapters[0].path, tmp_path / "mutable"))
    weights = [(adapter.path / WEIGHTS_FILE).read_bytes() for adapter in adapters[:2]]
    with served(admin, "late", folder), ThreadPoolExecutor(1) as pool:
        for turn in range(6):
            first = pool.submit(load, admin, "late", folder, inplace=True)
            (folder / WEIGHTS_FILE).write_bytes(weights[(turn + 1) % 2])
            written = adapter_digest(folder)
            second = load(admin, "late", folder, inplace=True)
            first.result()

            assert second.status_code == 200
            assert http.get("/v1/models/late").json()["digest"] == written


SLASHED = ["team/x", "adapters/provenance", "a/pin"]


@pytest.mark.parametrize("name", SLASHED)
@pytest.mark.parametrize("slash", ["/", "%2F"])
def test_every_verb_reaches_a_name_with_a_slash(
    name: str, slash: str, admin: httpx2.Client, http: httpx2.Client, adapters: list[StarterAdapter]
) -> None:
    spelled = name.replace("/", slash)
    with served(admin, name, adapters[0].path):
        if not (slash == "/" and name.endswith("/provenance")):  # that path asks for the provenance of `adapters`
            assert http.get(f"/adapters/{spelled}").json()["name"] == name
        assert http.get(f"/adapters/{spelled}/provenance").json()["name"] == name
        assert http.get(f"/v1/models/{spelled}").json()["id"] == name
        assert admin.post(f"/admin/adapters/{spelled}/pin").json()["pinned"] is True
        assert admin.post(f"/admin/adapters/{spelled}/unpin").json()["pinned"] is False
        wait_until_loaded(http, name)
        assert admin.post(f"/admin/adapters/{spelled}/evict").json()["residency"] == "disk"
        assert admin.delete(f"/admin/adapters/{spelled}").json() == {"name": name}
        assert http.get(f"/v1/models/{name}").status_code == 404


def wait_until_loaded(http: httpx2.Client, name: str) -> None:
    http.post("/v1/completions", json={"model": name, "prompt": "Hi", "max_tokens": 1}).raise_for_status()


def test_a_version_is_pinned_unpinned_and_evicted_by_its_digest(
    admin: httpx2.Client, http: httpx2.Client, adapters: list[StarterAdapter], tmp_path: Path
) -> None:
    own = Path(shutil.copytree(adapters[0].path, tmp_path / "own"))
    (own / "chat_template.jinja").write_text("{{ messages[0].content }}")  # a version that no other name means
    with served(admin, "org/moving", own):
        old = f"org/moving@{adapter_digest(own)}"
        admin.post("/admin/adapters/org/moving/pin").raise_for_status()
        load(admin, "org/moving", adapters[1].path, inplace=True)
        wait_until_loaded(http, old)
        refused = admin.post(f"/admin/adapters/{old}/evict").json()

        assert admin.post("/admin/adapters/org/moving/unpin").json()["pinned"] is False
        assert pinned(admin) == {old[: len("org/moving@") + 12]}
        assert (refused["code"], refused["detail"]) == (
            "adapter_busy",
            f"Adapter {old[: len('org/moving@') + 12]} is pinned. Unpin it first.",
        )
        assert admin.post(f"/admin/adapters/{old}/unpin").json()["pinned"] is False
        assert admin.post(f"/admin/adapters/{old}/evict").json()["residency"] == "disk"
    assert pinned(admin) == set()


def pinned(admin: httpx2.Client) -> set[str]:
    models: list[dict[str, Any]] = admin.get("/admin/ps").json()["models"]
    return {model["id"] for model in models if model["pinned"] and model["parent"]}


def test_unload_answers_when_the_streams_of_earlier_versions_have_ended(
    admin: httpx2.Client, http: httpx2.Client, node: NodeThread, adapters: list[StarterAdapter]
) -> None:
    with served(admin, "busy", adapters[0].path), ThreadPoolExecutor(1) as pool:
        body = {"model": "busy", "prompt": "Hi", "max_tokens": 200, "stream": True, "ignore_eos": True}
        with http.stream("POST", "/v1/completions", json=body) as stream:
            lines = stream.iter_lines()
            next(lines)
            load(admin, "busy", adapters[1].path, inplace=True)
            unloading = pool.submit(admin.post, UNLOAD, json={"lora_name": "busy"})
            ended = [line for line in lines if line]
        answer = unloading.result()

    assert answer.status_code == 200
    assert ended[-1] == "data: [DONE]"
    assert node.run(lambda world: asyncio.sleep(0, world.service.activity().running)) == frozenset()


def test_a_bad_adapter_does_not_end_the_start_and_is_shown(adapters: list[StarterAdapter], tmp_path: Path) -> None:
    moved = Path(shutil.copytree(adapters[0].path, tmp_path / "moved"))
    home = tmp_path / "home"
    home.mkdir()
    with node_thread(free_settings(home, adapters=[f"stored=file:{moved}"])) as node:
        assert httpx2.get(f"{node.url}/v1/models/stored").status_code == 200
    shutil.rmtree(moved)

    given = [f"stored=file:{moved}", "bad=hf:", "-bad-=file:/x", f"good=file:{adapters[1].path}"]
    with node_thread(free_settings(home, adapters=given)) as node:
        names = {card["name"] for card in httpx2.get(f"{node.url}/adapters").json()["data"]}
        failed = httpx2.get(f"{node.admin_url}/admin/ps", headers=node.token).json()["failed"]
        body = {"model": "stored", "prompt": "Hi", "max_tokens": 1}
        answered = httpx2.post(f"{node.url}/v1/completions", json=body, timeout=60)

    assert names == {"good", "stored", *(adapter.name for adapter in adapters)}
    assert [(each["name"], each["served"]) for each in failed] == [("-bad-", False), ("bad", False), ("stored", True)]
    assert "there is no such folder" in failed[2]["error"]
    assert answered.status_code == 200
