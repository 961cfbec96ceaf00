"""What the auth class does when its memory and the node's differ: it believes vouchers, not words."""

from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from node.client.auth import WalletAuth
from node.client.errors import NodeUnusable
from tests.node.client.answers import OPEN
from tests.node.client.conftest import PAYER
from tests.node.client.node_side import URL, NodeSide, Refusal

Ask = Callable[..., httpx2.Response]


def test_a_broken_connection_is_reconciled_with_the_nodes_figures(node: NodeSide, auth: WalletAuth, ask: Ask) -> None:
    ask()
    node.cut_after = 3
    for _ in range(5):
        with pytest.raises(httpx2.ReadError):
            ask()
    node.cut_after = None

    ask()

    charged = node.line().charged
    assert len(auth.receipts) == 2
    assert auth.receipts[-1].receipt.cum_before + auth.receipts[-1].receipt.fee == charged
    assert node.line().signed_max <= charged + node.price(512, 16)


def test_a_request_that_never_got_an_answer_is_reconciled_too(node: NodeSide, ask: Ask) -> None:
    ask()
    for _ in range(5):
        node.refuse = [httpx2.ReadError("the node died")]
        with pytest.raises(httpx2.ReadError):
            ask()

    ask()

    assert node.requests[-2].url.path.startswith("/payments/channels/0x")
    assert node.line().signed_max <= node.line().charged + node.price(512, 16)


def test_another_place_with_the_same_key_pays_on(node: NodeSide, ask: Ask, tmp_path: Path) -> None:
    ask()
    elsewhere = WalletAuth(PAYER, tmp_path / "elsewhere", deposit=OPEN)

    with httpx2.Client(transport=node, auth=elsewhere, base_url=URL) as client:
        for _ in range(20):
            body = {"model": "dermatology", "prompt": "hello", "max_tokens": 16}
            assert client.post("/v1/completions", json=body).status_code == 200
            assert ask().status_code == 200

    assert len(node.deposits) == 1
    assert node.line().charged <= node.line().signed_max


def test_a_wallet_that_lost_its_state_asks_the_node_and_checks_the_voucher(
    node: NodeSide, ask: Ask, tmp_path: Path
) -> None:
    ask()
    auth = WalletAuth(PAYER, tmp_path / "new", deposit=OPEN)

    with httpx2.Client(transport=node, auth=auth, base_url=URL) as client:
        response = client.post("/v1/completions", json={"model": "dermatology", "prompt": "hello", "max_tokens": 4})

    assert response.status_code == 200
    assert len(node.deposits) == 1


def test_a_wallet_that_lost_its_state_signs_nothing_for_charges_without_a_voucher(
    node: NodeSide, ask: Ask, tmp_path: Path
) -> None:
    ask()
    node.show_vouchers = False
    auth = WalletAuth(PAYER, tmp_path / "new", deposit=OPEN)

    with httpx2.Client(transport=node, auth=auth, base_url=URL) as client, pytest.raises(NodeUnusable, match="voucher"):
        client.post("/v1/completions", json={"model": "dermatology", "prompt": "hello", "max_tokens": 4})


def test_a_node_that_invents_charges_gets_no_voucher_for_them(node: NodeSide, ask: Ask) -> None:
    ask()
    node.line().charged = 10**17
    node.refuse = [Refusal(402, "payment_required")]

    with pytest.raises(NodeUnusable, match="reports 1000"):
        ask()

    assert node.line().signed_max < 10**17


def test_a_channel_on_a_chain_made_anew_starts_from_nothing(node: NodeSide, ask: Ask) -> None:
    for _ in range(5):
        ask()
    node.lines.clear()

    assert ask().status_code == 200

    assert len(node.deposits) == 2
    assert node.line().signed_max <= node.price(512, 16)


def test_a_pending_withdrawal_lowers_what_is_promised(node: NodeSide, ask: Ask) -> None:
    ask()
    node.line().pending_withdraw = OPEN - node.line().charged
    node.refuse = [Refusal(402, "payment_required")]

    response = ask()

    assert response.status_code == 200
    assert len(node.deposits) == 2
