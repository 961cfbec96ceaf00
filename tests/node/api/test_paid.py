"""Payments over HTTP, on a development node with a real chain behind it."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from contracts.crypto import keccak
from local_chain.accounts import dev_accounts
from node.client.auth import WalletAuth
from tests.node.api.paid import BODY, CHAT, OPEN, Bench, altered, receipts_of
from tests.node.running import NodeThread


@pytest.fixture
def bench(paid_node: NodeThread, client: httpx2.Client) -> Bench:
    return Bench.of(paid_node.url)


def test_a_request_signed_by_hand_is_served(bench: Bench) -> None:
    status, body = bench.send(bench.ask())

    assert status == 200
    assert body["receipt"]["receipt"]["fee"] != "0"


WRONG: dict[str, tuple[dict[str, Any], int, str]] = {
    "another node": ({"node": "0x" + "11" * 20}, 400, "payment_invalid"),
    "another body": ({"request_hash": keccak(b"x")}, 400, "payment_invalid"),
    "another adapter": ({"adapter_key": keccak(b"x")}, 400, "payment_invalid"),
    "another price list": ({"price_hash": keccak(b"x")}, 410, "price_expired"),
    "a deadline that has passed": ({"deadline": 1}, 410, "request_expired"),
    "a deadline too far away": ({"deadline": 1 << 40}, 400, "payment_invalid"),
    "too low a fee": ({"max_fee": 1}, 402, "payment_required"),
    "another channel": ({"channel_id": keccak(b"x")}, 400, "payment_invalid"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_request_for_something_else_is_refused(bench: Bench, what: str) -> None:
    changes, status, code = WRONG[what]

    found, error = bench.send(altered(bench.ask(), **changes))

    assert (found, error["code"]) == (status, code)


def test_somebody_else_s_signature_is_refused(bench: Bench) -> None:
    status, error = bench.send(bench.ask(), key=dev_accounts()[5])

    assert (status, error["code"]) == (400, "payment_invalid")


def test_a_signed_request_that_comes_again_gets_the_same_answer(bench: Bench) -> None:
    request = bench.ask()

    first, again = bench.send(request), bench.send(request)

    assert first[0] == 200
    assert again == first


def test_a_nonce_is_served_once(bench: Bench) -> None:
    request = bench.ask()

    assert bench.send(request)[0] == 200
    assert bench.send(altered(request, max_fee=request.max_fee + 1))[1]["code"] == "nonce_used"


def test_a_voucher_that_covers_nothing_new_is_stale(bench: Bench) -> None:
    # more is asked for than older vouchers still cover
    request = altered(bench.ask(), max_fee=OPEN // 2)

    status, error = bench.send(request, signed_max=1)

    assert (status, error["code"]) == (409, "voucher_stale")
    assert int(error["charged"]) >= 1


def test_too_small_a_voucher_learns_what_it_must_reach(bench: Bench) -> None:
    request = altered(bench.ask(), max_fee=OPEN // 2)
    charged = int(bench.channel["charged"])

    status, error = bench.send(request, signed_max=charged + 1)

    assert (status, error["code"]) == (402, "payment_required")
    assert int(error["signed_max_required"]) == charged + OPEN // 2
    assert error["balance"] == bench.channel["balance"]


def test_more_than_the_channel_holds_is_refused(bench: Bench) -> None:
    status, error = bench.send(altered(bench.ask(), max_fee=10 * OPEN))

    assert (status, error["code"]) == (402, "payment_required")
    assert "Deposit more" in error["message"]


@pytest.mark.parametrize("header", ["", "not base64!", "e30=", "W10=", "A" * 9000])
def test_a_malformed_header_is_named(paid_node: NodeThread, header: str) -> None:
    for name in ("OpenLoRA-Request", "PAYMENT-SIGNATURE"):
        answer = httpx2.post(paid_node.url + CHAT, json=BODY, headers={name: header})

        assert answer.status_code in (400, 402)
        assert answer.json()["error"]["code"] in ("payment_invalid", "payment_required")


def test_a_model_that_is_not_sold_is_refused_whether_paid_or_not(client: httpx2.Client, paid_node: NodeThread) -> None:
    for model, code in (("nope", "model_not_found"), ("cardiology*0.5+nutrition", "adapter_incompatible")):
        body = BODY | {"model": model}
        assert client.post(CHAT, json=body).json()["error"]["code"] == code
        assert httpx2.post(paid_node.url + CHAT, json=body).json()["error"]["code"] == code


def test_requests_side_by_side_tile_the_channel(client: httpx2.Client, paid_node: NodeThread, tmp_path: Path) -> None:
    async def run() -> list[Any]:
        auth = WalletAuth(dev_accounts()[1], tmp_path, deposit=OPEN)
        async with openai.AsyncOpenAI(
            base_url=paid_node.url + "/v1",
            api_key="unused",
            max_retries=0,
            http_client=httpx2.AsyncClient(auth=auth, timeout=60),
        ) as sdk:
            first = await sdk.chat.completions.create(**BODY)
            rest = await asyncio.gather(*(sdk.chat.completions.create(**BODY) for _ in range(8)))
            return [first, *rest]

    answers = asyncio.run(run())
    ours = {answer.model_extra["receipt"]["receipt"]["channelId"] for answer in answers}
    (channel_id,) = ours
    tiles = [one for one in receipts_of(client) if "0x" + one.channel_id.hex() == channel_id]

    cumulative = 0
    for receipt in tiles:
        assert receipt.cum_before == cumulative
        cumulative += receipt.fee
    channel = client.get(f"/payments/channels/{channel_id}").json()
    assert (channel["charged"], channel["reserved"]) == (str(cumulative), "0")


def test_a_payer_who_leaves_pays_for_what_was_produced(client: httpx2.Client) -> None:
    body = {"model": "cardiology", "prompt": "Hello", "max_tokens": 480, "ignore_eos": True, "stream": True}
    before = len(receipts_of(client))

    with client.stream("POST", "/v1/completions", json=body) as stream:
        next(stream.iter_lines())
    for _ in range(200):
        receipts = receipts_of(client)
        if len(receipts) > before:
            break
    newest = receipts[-1]

    assert newest.status == 1
    assert 0 < newest.tokens_out < 480
    assert newest.fee > 0


def test_echo_logprobs_and_penalties_change_nothing_about_the_bill(client: httpx2.Client) -> None:
    plain = {"model": "cardiology", "prompt": "Hello", "max_tokens": 6, "ignore_eos": True, "min_tokens": 6}
    asked = [plain, plain | {"logprobs": 5}, plain | {"echo": True, "frequency_penalty": 1, "logit_bias": {"9": -100}}]
    for body in [*asked, *({**each, "stream": True} for each in asked)]:
        client.post("/v1/completions", json=body).raise_for_status()  # the wallet checks receipt, text and usage

    assert len({(one.tokens_in, one.tokens_out, one.fee) for one in receipts_of(client)[-6:]}) == 1


def test_models_carry_the_registered_prices(client: httpx2.Client) -> None:
    quote = client.get("/nodes/me/quote", params={"model": "cardiology"}).json()

    assert {model["prices"]["outputPerM"] for model in client.get("/v1/models").json()["data"]} == {str(8 * OPEN)}
    assert client.get("/adapters/cardiology").json()["prices"] == quote["prices"]


def test_a_paid_node_is_ready_and_counts_its_money(client: httpx2.Client) -> None:
    checks = client.get("/readyz").json()["checks"]

    assert all(check["ok"] for check in checks.values())
    assert {"accepting", "engine", "database", "chain", "chain_process", "gas", "selling", "demands"} == set(checks)
    assert "openlora_unposted_value" in client.get("/metrics").text
