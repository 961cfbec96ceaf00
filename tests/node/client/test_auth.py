"""What the auth class does to requests: it pays ahead, once per request, and never more than it must."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from contracts.crypto import PrivateKey, keccak
from node.client.auth import WalletAuth
from node.client.errors import CostAboveLimit, DepositTooSmall, NodeUnusable
from node.client.flows import run
from tests.node.client.answers import OPEN, OUTPUT
from tests.node.client.conftest import PAYER
from tests.node.client.node_side import URL, NodeSide, Refusal

Ask = Callable[..., httpx2.Response]


def test_the_first_request_opens_a_channel_and_pays(node: NodeSide, auth: WalletAuth, ask: Ask) -> None:
    response = ask()

    assert response.json()["choices"][0]["message"]["content"] == "".join(OUTPUT)
    assert node.line().balance == OPEN
    assert [receipt.receipt.fee for receipt in auth.receipts] == [node.line().charged]


def test_later_requests_need_no_other_round_trip(node: NodeSide, ask: Ask) -> None:
    ask()
    node.requests.clear()

    ask()
    ask()

    assert [request.url.path for request in node.requests] == ["/v1/chat/completions"] * 2


def test_each_request_signs_no_more_than_its_own_bound_beyond_the_charges(node: NodeSide, ask: Ask) -> None:
    bound = node.price(512, 16)

    for _ in range(5):
        charged = node.line().charged if node.lines else 0
        ask()
        assert charged < node.line().signed_max <= charged + bound


def test_every_receipt_tiles_what_was_charged(node: NodeSide, auth: WalletAuth, ask: Ask) -> None:
    for model in ("dermatology", "cardiology", "clinic-base"):
        ask(model)

    spans = [(r.receipt.cum_before, r.receipt.cum_before + r.receipt.fee) for r in auth.receipts]
    assert [start for start, _ in spans] == [0, *[end for _, end in spans[:-1]]]
    assert spans[-1][1] == node.line().charged


def test_requests_that_cost_nothing_carry_no_signature(node: NodeSide, client: httpx2.Client) -> None:
    client.get("/v1/models")
    client.post("/v1/chat/completions", content=b"{not json")

    assert not [r for r in node.requests if "payment-signature" in r.headers or "openlora-request" in r.headers]


def test_a_request_without_a_token_limit_is_bounded_by_the_context(node: NodeSide, client: httpx2.Client) -> None:
    body = {"model": "dermatology", "messages": [{"role": "user", "content": "hello"}]}

    assert client.post("/v1/chat/completions", json=body).status_code == 200
    assert node.line().signed_max <= node.price(512, 512)


def test_a_node_that_does_not_tell_its_context_is_asked_for_its_bound(tmp_path: Path) -> None:
    node = NodeSide(context_tokens=None)
    body = {"model": "dermatology", "messages": [{"role": "user", "content": "hello"}]}

    with httpx2.Client(transport=node, auth=WalletAuth(PAYER, tmp_path, deposit=OPEN), base_url=URL) as client:
        assert client.post("/v1/chat/completions", json=body).status_code == 200
        assert client.post("/v1/chat/completions", json=body | {"max_tokens": 4}).status_code == 200


def test_an_unknown_model_is_the_nodes_to_refuse_and_costs_nothing(node: NodeSide, ask: Ask) -> None:
    node_answer = ask("oncology")

    assert node_answer.status_code == 402  # this node asks for payment before it looks for the model
    assert node.lines == {}


def test_without_a_deposit_the_nodes_402_is_handed_through(node: NodeSide, tmp_path: Path) -> None:
    with httpx2.Client(transport=node, auth=WalletAuth(PAYER, tmp_path), base_url=URL) as client:
        response = client.post("/v1/completions", json={"model": "dermatology", "prompt": "hello", "max_tokens": 4})

    assert response.status_code == 402
    assert response.json()["code"] == "payment_required"
    assert "payment-signature" not in node.paid()[-1].headers


def test_a_channel_that_runs_short_is_topped_up(node: NodeSide, tmp_path: Path) -> None:
    auth = WalletAuth(PAYER, tmp_path, deposit=10**15)

    with httpx2.Client(transport=node, auth=auth, base_url=URL) as client:
        for _ in range(30):
            body = {"model": "dermatology", "prompt": "hello", "max_tokens": 16}
            assert client.post("/v1/completions", json=body).status_code == 200

    assert len(node.deposits) > 1
    assert node.line().charged <= node.line().signed_max <= node.line().balance


def test_a_dear_node_gets_no_larger_deposit_than_the_caller_allows(node: NodeSide, ask: Ask) -> None:
    node.prices = replace(node.prices, output_per_m=10**28)

    assert ask().status_code == 402
    assert node.deposits == []


def test_a_request_above_the_callers_limit_is_not_signed(node: NodeSide, tmp_path: Path) -> None:
    auth = WalletAuth(PAYER, tmp_path, deposit=OPEN, max_cost=10**13)

    with httpx2.Client(transport=node, auth=auth, base_url=URL) as client, pytest.raises(CostAboveLimit) as refused:
        client.post("/v1/completions", json={"model": "dermatology", "prompt": "hello", "max_tokens": 400})

    assert refused.value.max_cost == 10**13 < refused.value.max_fee
    assert node.paid() == []


def test_a_new_price_list_is_quoted_and_signed_once_more(node: NodeSide, auth: WalletAuth, ask: Ask) -> None:
    ask()
    node.prices = replace(node.prices, output_per_m=16 * OPEN)

    response = ask()

    assert response.status_code == 200
    assert auth.receipts[-1].receipt.price_hash == node.prices.struct_hash()


def test_an_expired_quote_is_fetched_again(node: NodeSide, ask: Ask) -> None:
    node.valid_for_s = 0
    ask()
    node.requests.clear()

    ask()

    assert [request.url.path for request in node.requests] == ["/nodes/me/quote", "/v1/chat/completions"]


@pytest.mark.parametrize("status", [402, 409, 410])
def test_a_stale_request_is_signed_again_once_and_then_handed_through(status: int, node: NodeSide, ask: Ask) -> None:
    ask()
    node.refuse = [Refusal(status, "stale")]
    assert ask().status_code == 200

    node.refuse = [Refusal(status, "stale"), Refusal(status, "still stale"), Refusal(500, "not asked for")]
    assert ask().json()["code"] == "still stale"
    assert len(node.refuse) == 1


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_other_refusals_are_handed_through_and_promise_nothing(status: int, node: NodeSide, ask: Ask) -> None:
    ask()
    charged = node.line().charged
    for _ in range(10):
        node.refuse = [Refusal(status, "no")]
        assert ask().status_code == status

    ask()

    assert node.line().signed_max <= charged + node.price(512, 16)


def test_headers_can_be_signed_for_another_program_to_send(node: NodeSide, auth: WalletAuth, ask: Ask) -> None:
    body = b'{"model": "dermatology", "prompt": "hello", "max_tokens": 4}'
    with httpx2.Client(transport=node) as plain:
        headers = run(plain, auth.sign(httpx2.Request("POST", f"{URL}/v1/completions", content=body)))
        ask()  # what happens meanwhile takes nothing away from it
        first = plain.post(f"{URL}/v1/completions", content=body, headers=headers)
        with pytest.raises(AssertionError, match="used twice"):
            plain.post(f"{URL}/v1/completions", content=body, headers=headers)

    assert first.status_code == 200


def test_nothing_is_signed_for_requests_that_cost_nothing(node: NodeSide, auth: WalletAuth) -> None:
    with httpx2.Client(transport=node) as plain, pytest.raises(ValueError, match="GET /v1/models"):
        run(plain, auth.sign(httpx2.Request("GET", f"{URL}/v1/models")))


def test_an_empty_channel_signs_nothing(node: NodeSide, tmp_path: Path) -> None:
    request = httpx2.Request("POST", f"{URL}/v1/completions", json={"model": "dermatology", "prompt": "hello"})

    with httpx2.Client(transport=node) as plain, pytest.raises(DepositTooSmall) as refused:
        run(plain, WalletAuth(PAYER, tmp_path).sign(request))
    assert refused.value.balance == 0


def test_an_operator_known_beforehand_is_insisted_on(node: NodeSide, tmp_path: Path) -> None:
    auth = WalletAuth(PAYER, tmp_path, deposit=OPEN, operator=PrivateKey(keccak(b"other")).address)

    with (
        httpx2.Client(transport=node, auth=auth, base_url=URL) as client,
        pytest.raises(NodeUnusable, match="operator"),
    ):
        client.post("/v1/completions", json={"model": "dermatology", "prompt": "hello"})


def test_every_request_is_as_patient_as_the_caller(node: NodeSide, tmp_path: Path) -> None:
    auth = WalletAuth(PAYER, tmp_path, deposit=OPEN)

    with httpx2.Client(transport=node, auth=auth, base_url=URL, timeout=3.5) as client:
        client.post("/v1/completions", json={"model": "dermatology", "prompt": "hello", "max_tokens": 4})

    assert [request.url.path for request in node.requests][:2] == ["/nodes/me", "/nodes/me/quote"]
    assert {request.extensions["timeout"]["read"] for request in node.requests} == {3.5}


def test_an_unreachable_node_leaves_the_error_as_it_is(tmp_path: Path) -> None:
    with (
        httpx2.Client(auth=WalletAuth(PAYER, tmp_path), base_url="http://127.0.0.1:9") as client,
        pytest.raises(httpx2.ConnectError),
    ):
        client.post("/v1/completions", json={"model": "dermatology", "prompt": "hello"})
