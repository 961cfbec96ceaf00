"""What survives Ctrl-C and kill -9, and what must not."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from node.client.auth import WalletAuth
from node.home.dev_accounts import dev_account
from node.home.lock import owned
from tests.e2e.node_process import NodeProcess, started

OPEN = 10**18
LONG = {"model": "cardiology", "prompt": "Hello", "max_tokens": 480, "ignore_eos": True, "stream": True}


def channel_of(node: NodeProcess) -> dict[str, Any]:
    channels = node.json("pay", "channels")["data"]
    assert len(channels) == 1
    found: dict[str, Any] = channels[0]
    return found


def receipts_of(node: NodeProcess) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in map(json.loads, node.run("receipts", "export").splitlines())}


def killed_mid_stream(node: NodeProcess) -> None:
    """Starts a paid stream, and kills the node while tokens flow."""
    payer = dev_account("payer")
    assert payer is not None
    auth = WalletAuth(payer, node.home / "wallet", deposit=OPEN)
    with httpx2.Client(auth=auth, timeout=60) as client:
        try:
            with client.stream("POST", node.url + "/v1/completions", json=LONG) as answer:
                lines = answer.iter_lines()
                for _ in range(8):
                    next(lines)
                assert int(channel_of(node)["reserved"]) > 0
                node.kill()
                list(lines)
        except httpx2.TransportError:
            pass  # the node is gone, as it should be


def stopped_mid_stream(node: NodeProcess) -> list[str]:
    """The lines of a paid stream during which the node is told to stop."""
    payer = dev_account("payer")
    assert payer is not None
    auth = WalletAuth(payer, node.home / "wallet", deposit=OPEN)
    url = node.url + "/v1/completions"
    with httpx2.Client(auth=auth, timeout=60) as client, client.stream("POST", url, json=LONG) as answer:
        lines = answer.iter_lines()
        next(lines)
        node.process.send_signal(signal.SIGINT)
        return [line for line in lines if line]


@pytest.mark.timeout(900)  # it starts a node again and again, on a machine that others use
def test_a_node_goes_on_where_it_stopped_however_it_stopped(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with started(home, "--dev") as node:
        announced = node.json("chat", "cardiology", "Hello", "--pay")["receipt"]["id"]
        killed_mid_stream(node)
    with owned(home):
        pass  # no lock is left behind

    with started(home, "--dev") as node:
        channel, receipts = channel_of(node), receipts_of(node)
        assert announced in receipts
        assert int(channel["reserved"]) == 0
        assert int(channel["charged"]) == sum(int(one["receipt"]["fee"]) for one in receipts.values())
        node.run("chat", "cardiology", "Hello", "--pay")
        before = channel_of(node), receipts_of(node), node.json("earnings", "--account", "operator")["totals"]
        chain_url, pid = node.run_json["chain_url"], node.run_json["pid"]
        assert node.stop() == 0

    assert not (home / "run.json").exists()
    assert not Path(f"/proc/{pid}").exists()
    assert chain_is_gone(chain_url)
    with started(home, "--dev") as node:
        after = channel_of(node), receipts_of(node), node.json("earnings", "--account", "operator")["totals"]
        settled = node.json("settle", "now", "--wait")
        paid = node.json("claim", "--account", "operator")
        drained = stopped_mid_stream(node)

    assert after == before
    assert settled["activeEpoch"] == 1
    assert paid["amount"] == after[2]["accrued"]
    assert drained[-1] == "data: [DONE]"
    assert '"receipt"' in drained[-2]
    assert node.process.returncode == 0


def chain_is_gone(url: str) -> bool:
    for _ in range(50):
        try:
            httpx2.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []})
        except httpx2.TransportError:
            return True
        time.sleep(0.1)
    return False
