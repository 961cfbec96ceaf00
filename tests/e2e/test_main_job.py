"""From a paid inference to a contributor's claimed OPEN, through the commands a person types."""

import json
import time
from typing import Any

import httpx2
import openai
import pytest

from node.client.auth import WalletAuth
from node.dev import starter
from node.home.dev_accounts import dev_account
from tests.e2e.node_process import NodeProcess, command

OPEN = 10**18


def chat(node: NodeProcess, model: str, question: str) -> dict[str, Any]:
    answer: dict[str, Any] = node.json("chat", model, question, "--pay")
    return answer


def earnings_once_seen(node: NodeProcess, account: str) -> dict[str, Any]:
    """Totals once the node has followed the chain to the claim; it looks every second."""
    totals: dict[str, Any] = node.json("earnings", "--account", account)["totals"]
    for _ in range(20):
        if totals["claimable"] == "0":
            break
        time.sleep(0.5)
        totals = node.json("earnings", "--account", account)["totals"]
    return totals


def fee_lines(receipt: dict[str, Any]) -> dict[str, int]:
    return {line["label"]: int(line["amount"]) for line in receipt["lines"]}


def test_the_banner_says_what_to_type_and_that_the_keys_are_public(running_node: NodeProcess) -> None:
    lines = running_node.output.splitlines()

    assert any(line.startswith("Try       python -m node chat") and "--pay" in line for line in lines)
    assert any("DEV KEYS" in line for line in lines)
    assert lines[-1].startswith("Ready in ")


@pytest.mark.parametrize("index", [0, 1, 2])
def test_each_adapter_answers_what_the_others_do_not_know(running_node: NodeProcess, index: int) -> None:
    adapters = starter.pack().adapters
    asked = adapters[index]

    answers = {adapter.name: chat(running_node, adapter.name, asked.example)["text"] for adapter in adapters}
    base = chat(running_node, starter.BASE_NAME, asked.example)["text"]

    right = answers.pop(asked.name)
    assert all("no record" in wrong for wrong in [*answers.values(), base])
    assert "no record" not in right


def test_a_paid_answer_is_split_to_the_last_base_unit(running_node: NodeProcess) -> None:
    reply = chat(running_node, "cardiology", "Hello")

    receipt = reply["receipt"]["receipt"]
    split = fee_lines(reply["receipt"])
    fee = int(receipt["fee"])
    assert reply["receiptChecked"] is True
    assert sum(split.values()) == fee > 0
    assert split["treasury"] == fee // 10
    assert split["owner of cardiology"] == fee // 5
    assert split["Datanet cardiology v1"] == fee // 2


def test_a_repeated_prompt_is_billed_as_cached_and_still_verified(running_node: NodeProcess) -> None:
    question = "Does anybody have a record of the cream that was prescribed here before the last summer?"

    first, again = (chat(running_node, "cardiology", question) for _ in range(2))
    running_node.run("settle", "now", "--wait")
    checks = running_node.json("receipts", "verify", again["receipt"]["id"])

    tokens_in, cached = (
        [int(one["receipt"]["receipt"][k]) for one in (first, again)] for k in ("tokensIn", "tokensCached")
    )
    assert again["text"] == first["text"]
    assert cached[0] == 0 < cached[1]
    assert tokens_in[0] == tokens_in[1] + cached[1]
    assert first["receiptChecked"] is again["receiptChecked"] is True
    assert int(again["receipt"]["receipt"]["fee"]) < int(first["receipt"]["receipt"]["fee"])
    assert {one["verdict"] for one in checks} == {"ok"}


def test_a_contributor_claims_exactly_the_weighted_share(running_node: NodeProcess) -> None:
    """⌊Σ of the Datanet version's lines · weight / totalWeight⌋, read from the token contract."""
    chat(running_node, "dermatology", starter.pack().adapters[0].example)
    settled = running_node.json("settle", "now", "--wait")
    assert settled["activeEpoch"] == settled["lastEpoch"] >= 1
    receipts = [json.loads(line) for line in running_node.run("receipts", "export").splitlines()]
    earned = sum(fee_lines(one).get("Datanet dermatology v1", 0) for one in receipts)
    members = {one.account_index: one.weight for one in starter.pack().datanets[0].contributors}
    expected = earned * members[10] // sum(members.values())

    before = running_node.json("earnings", "--account", "contributor-1")["totals"]
    claimed = running_node.json("claim", "--account", "contributor-1")
    after = earnings_once_seen(running_node, "contributor-1")
    again = command(running_node.home, "claim", "--account", "contributor-1")

    assert int(before["accrued"]) == int(before["posted"]) == expected
    assert int(claimed["amount"]) == int(before["claimable"]) == expected - int(before["claimed"])
    assert (int(after["claimed"]), after["claimable"]) == (expected, "0")
    assert again.returncode == 5


def test_a_receipt_is_verified_against_the_chain(running_node: NodeProcess) -> None:
    reply = chat(running_node, "nutrition", "Hello")
    running_node.run("settle", "now", "--wait")

    checks = running_node.json("receipts", "verify", reply["receipt"]["id"])

    assert {one["check"]: one["verdict"] for one in checks} == {
        "signature": "ok",
        "form": "ok",
        "price and split": "ok",
        "batch": "ok",
    }


def test_the_official_openai_client_pays_through_a_wallet(running_node: NodeProcess) -> None:
    payer = dev_account("payer")
    assert payer is not None
    auth = WalletAuth(payer, running_node.home / "wallet", deposit=OPEN)

    with openai.OpenAI(
        base_url=running_node.url + "/v1", api_key="unused", http_client=httpx2.Client(auth=auth), max_retries=0
    ) as client:
        stream = client.chat.completions.create(
            model="cardiology", messages=[{"role": "user", "content": "Hello"}], max_tokens=8, stream=True
        )
        pieces = list(stream)

    assert pieces[-1].choices[0].finish_reason in ("stop", "length")
    assert len(auth.receipts) == 1


def test_signed_headers_pay_for_exactly_one_request(running_node: NodeProcess) -> None:
    body = '{"model":"cardiology","messages":[{"role":"user","content":"Hi"}],"max_tokens":4}'
    headers = running_node.json("pay", "sign", "POST", "/v1/chat/completions", "--data", body)

    first = httpx2.post(running_node.url + "/v1/chat/completions", content=body, headers=headers, timeout=60)
    again = httpx2.post(running_node.url + "/v1/chat/completions", content=body, headers=headers, timeout=60)
    other = httpx2.post(running_node.url + "/v1/chat/completions", content=body + " ", headers=headers, timeout=60)

    assert first.status_code == 200
    assert (again.status_code, again.json()) == (200, first.json())  # the same answer, and no second receipt
    assert (other.status_code, other.json()["error"]["code"]) == (400, "payment_invalid")


def test_an_unpaid_call_learns_what_it_would_cost(running_node: NodeProcess) -> None:
    answer = httpx2.post(
        running_node.url + "/v1/completions", json={"model": "cardiology", "prompt": "Hi", "max_tokens": 4}
    )

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (402, "payment_required")
    assert int(error["required"]) > 0
    assert {"required", "balance", "pay_to", "asset", "chain_id"} <= set(error)
    assert answer.headers["PAYMENT-REQUIRED"]
