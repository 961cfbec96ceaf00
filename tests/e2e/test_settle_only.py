"""The money of a node whose model cannot run any more: settled from its home, without loading the model."""

import json
from pathlib import Path

import pytest

from local_chain.launcher import start_chain
from tests.e2e.mortal_node import MortalNode, PayingClient, prepared_home, rich_payers
from tests.e2e.node_process import command
from tests.e2e.preloaded import Preloader


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_home_settles_without_its_model(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    chain = start_chain(tmp_path / "chain")
    node = MortalNode(home, chain.rpc_url, Preloader())
    try:
        prepared_home(home, chain)
        node.start()
        node.await_ready()
        client = PayingClient(rich_payers(chain, 1)[0], node.url, tmp_path / "wallet", seed=1)
        client.last_request()
        refused = command(home, "settle", "run", "--chain-rpc", chain.rpc_url)
        node.kill()
        (home / "node.toml").write_text((home / "node.toml").read_text() + 'base = "/a/model/that/is/gone"\n')

        unnamed = command(home, "settle", "run")
        settled = command(home, "--json", "settle", "run", "--chain-rpc", chain.rpc_url, "--wait")
        again = command(home, "settle", "run", "--chain-rpc", chain.rpc_url)
    finally:
        if node.life is not None:
            node.life.process.kill()
        node.preloader.close()
        chain.stop()

    fee = client.received[0].receipt.fee
    assert (refused.returncode, unnamed.returncode) == (3, 2)
    assert "is in use by the node with pid" in refused.stderr
    assert "--chain-rpc URL" in unnamed.stderr
    assert settled.returncode == 0, settled.stderr
    done = json.loads(settled.stdout)
    assert (done["cycle"]["swept"], done["cycle"]["activeEpoch"]) == (str(fee), 1)
    assert done["status"]["unpostedReceipts"] == 0
    assert "active   epoch 1 of 1" in again.stdout, again.stderr
