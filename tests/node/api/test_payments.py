"""Payment channels over HTTP."""

import json
from pathlib import Path

import httpx2
import pytest

from contracts.payment import SignedDeposit, SignedVoucher, payment_payload
from node.client.wire import channel_config
from tests.node.api.paid import OPEN, PAYER, Bench
from tests.node.running import NodeThread


@pytest.fixture
def bench(paid_node: NodeThread, client: httpx2.Client) -> Bench:
    return Bench.of(paid_node.url)


def test_a_deposit_for_another_node_is_refused(client: httpx2.Client, bench: Bench, tmp_path: Path) -> None:
    payload = json.loads(deposit_body(bench, tmp_path))
    payload["payload"]["channelConfig"]["receiver"] = PAYER.address

    answer = client.post("/payments/channels", json=payload)

    assert (answer.status_code, answer.json()["code"]) == (422, "channel_refused")
    assert answer.json()["param"] == "channelConfig.receiver"


def deposit_body(bench: Bench, folder: Path) -> str:
    """A deposit as the shipped client would send it."""
    config = channel_config(PAYER.address, bench.card)
    voucher = SignedVoucher.sign(PAYER, config, bench.card.chain_id, 0)
    token = bench.card.token_domain
    deposit = SignedDeposit.sign(PAYER, voucher, token, amount=OPEN, salt=1, valid_before=1 << 40)
    return json.dumps(payment_payload(deposit.to_payload(), bench.card.accepted(OPEN)))


def test_no_deposit_is_relayed_while_the_node_does_not_sell(
    client: httpx2.Client, bench: Bench, paid_node: NodeThread, tmp_path: Path
) -> None:
    assert paid_node.world.paid is not None
    sales = paid_node.world.paid.payments.sales
    sales.hold("test", "the stake is too low")
    try:
        answer = client.post("/payments/channels", content=deposit_body(bench, tmp_path))
    finally:
        sales.allow("test")

    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "the stake is too low" in answer.text


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"payload": 5}'])
def test_a_malformed_deposit_is_refused(client: httpx2.Client, body: str) -> None:
    answer = client.post("/payments/channels", content=body)

    assert answer.status_code == 400
    assert answer.json()["code"] in ("invalid_request", "payment_invalid")


def test_channels_are_found_by_id_and_by_payer(client: httpx2.Client, bench: Bench) -> None:
    listed = client.get("/payments/channels", params={"payer": PAYER.address}).json()["data"]

    assert [one["channelId"] for one in listed] == [bench.channel["channelId"]]
    assert client.get("/payments/channels/0x" + "11" * 32).json()["code"] == "channel_unknown"
    assert client.get("/payments/channels/5").json()["code"] == "invalid_request"


def test_a_voucher_may_be_handed_in_without_a_request(client: httpx2.Client, bench: Bench) -> None:
    signed_max = int(bench.channel["signedMax"]) + 5
    voucher = SignedVoucher.sign(PAYER, channel_config(PAYER.address, bench.card), bench.card.chain_id, signed_max)

    answer = client.post(f"/payments/channels/{bench.channel['channelId']}/voucher", json=voucher.to_payload())

    assert answer.json()["signedMax"] == str(signed_max)
