"""JSON-RPC 2.0 over HTTP, as the py-evm engine serves it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from local_chain.embedded import PyevmBackend
from local_chain.genesis import CHAIN_ID
from local_chain.rpc.server import MAX_BATCH, MAX_BODY_BYTES

CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    backend = PyevmBackend(tmp_path_factory.mktemp("rpc"))
    backend.start(0)
    yield backend.rpc_url
    backend.stop()


def code(response: httpx2.Response) -> int:
    found: int = response.json()["error"]["code"]
    return found


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"jsonrpc": "2.0",}', b"[" * 1_000_000])
def test_a_body_that_is_no_json_is_a_parse_error(url: str, body: bytes) -> None:
    assert code(httpx2.post(url, content=body)) == -32700


@pytest.mark.parametrize(
    "document",
    [
        7,
        "eth_chainId",
        None,
        [],
        {},
        CALL | {"jsonrpc": "1.0"},
        CALL | {"method": 7},
        CALL | {"id": {"a": 1}},
        CALL | {"id": [1]},
        {"jsonrpc": "2.0", "id": 1},
    ],
)
def test_a_document_that_is_no_request_is_an_invalid_request(url: str, document: object) -> None:
    assert code(httpx2.post(url, content=json.dumps(document))) == -32600


def test_parameters_by_name_are_refused(url: str) -> None:
    assert code(httpx2.post(url, json=CALL | {"params": {"a": 1}})) == -32602


def test_an_answer_carries_the_id_of_its_request(url: str) -> None:
    for request_id in (0, 17, "abc", None):
        answer = httpx2.post(url, json=CALL | {"id": request_id}).json()

        assert answer == {"jsonrpc": "2.0", "id": request_id, "result": hex(CHAIN_ID)}


def test_parameters_may_be_left_out(url: str) -> None:
    assert httpx2.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}).json()["result"] == hex(CHAIN_ID)


def test_a_notification_is_not_answered(url: str) -> None:
    notification = {"jsonrpc": "2.0", "method": "eth_chainId"}

    assert httpx2.post(url, json=notification).status_code == 204
    assert httpx2.post(url, json=[notification, notification]).status_code == 204
    assert len(httpx2.post(url, json=[notification, CALL, 5]).json()) == 2


def test_a_batch_or_a_body_beyond_its_limit_is_refused(url: str) -> None:
    assert code(httpx2.post(url, json=[CALL] * (MAX_BATCH + 1))) == -32600
    assert code(httpx2.post(url, content=b" " * (MAX_BODY_BYTES + 1), timeout=30)) == -32600


def test_a_page_of_any_origin_may_call(url: str) -> None:
    origin = {"origin": "https://wallet.example"}
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}

    preflight = httpx2.options(url, headers=origin | asked)
    answer = httpx2.post(url, json=CALL, headers=origin)

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"to": "0x" + "11" * 20, "input": "0x01", "data": "0x02"}, "differ"),
        ({"to": "0x" + "11" * 20, "blobs": []}, "blobs"),
        ({"to": "0x" + "11" * 19}, "20 bytes"),
        ({"to": "0x" + "11" * 20, "value": "1"}, "value"),
        ({"to": "0x" + "11" * 20, "gas": -5}, "gas"),
        ({"to": "0x" + "11" * 20, "accessList": [5]}, "accessList"),
    ],
)
def test_a_malformed_call_is_refused_with_the_field_that_is_wrong(
    url: str, message: dict[str, object], reason: str
) -> None:
    error = httpx2.post(url, json=CALL | {"method": "eth_call", "params": [message, "latest"]}).json()["error"]

    assert error["code"] == -32602
    assert reason in error["message"]


def test_state_overrides_are_refused_not_ignored(url: str) -> None:
    params = [{"to": "0x" + "11" * 20}, "latest", {"0x" + "11" * 20: {"balance": "0x1"}}]

    assert code(httpx2.post(url, json=CALL | {"method": "eth_call", "params": params})) == -32602


def test_a_block_that_does_not_exist_is_null_and_its_state_an_error(url: str) -> None:
    block = httpx2.post(url, json=CALL | {"method": "eth_getBlockByNumber", "params": ["0xffff", False]}).json()
    balance = httpx2.post(url, json=CALL | {"method": "eth_getBalance", "params": ["0x" + "11" * 20, "0xffff"]}).json()

    assert block["result"] is None
    assert "no such block" in balance["error"]["message"]


def test_many_clients_at_once_are_all_answered(url: str) -> None:
    def mine(_: int) -> str:
        result: str = httpx2.post(url, json=CALL | {"method": "evm_mine"}, timeout=30).json()["result"]
        return result

    before = int(httpx2.post(url, json=CALL | {"method": "eth_blockNumber"}).json()["result"], 16)
    with ThreadPoolExecutor(8) as clients:
        results = list(clients.map(mine, range(40)))
    after = int(httpx2.post(url, json=CALL | {"method": "eth_blockNumber"}).json()["result"], 16)

    assert results == ["0x0"] * 40
    assert after == before + 40
