"""`kill -9` at random moments under paid load: ledger, chain and clients agree to the last base unit.

`python -m tests.e2e.test_kills FOLDER COUNT MINUTES` writes the figures of a run to FOLDER/kills.json. It ends after
COUNT kills, or with fewer once the minutes are over.
"""

import json
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from contracts.x402 import ESCROW
from local_chain.launcher import RunningChain, start_chain
from local_chain.transactor import connect, contract
from tests.e2e.mortal_node import MortalNode, PayingClient, Settler, prepared_home, rich_payers
from tests.e2e.node_process import NodeProcess
from tests.e2e.preloaded import Preloader

CLIENTS = 3
LONGEST_LIFE_S = 8.0
DURING_START = 0.4
"""The part of the kills that meet a node which is still starting."""


@contextmanager
def loaded(
    node: MortalNode, chain: RunningChain, folder: Path, seed: int
) -> Iterator[tuple[list[PayingClient], Settler]]:
    """Clients that pay and an operator who settles, while the block runs."""
    keys = rich_payers(chain, CLIENTS)
    clients = [PayingClient(key, node.url, folder / "wallets", seed + n) for n, key in enumerate(keys)]
    settler = Settler(node.home)
    for thread in (*clients, settler):
        thread.start()
    try:
        yield clients, settler
    finally:
        for thread in (*clients, settler):
            thread.stop()


def kill_often(node: MortalNode, kills: int, chance: random.Random, minutes: float) -> dict[str, int]:
    """Starts and kills the node `kills` times, at random moments of its start and of its work; counts both.

    Ends earlier once the minutes are over.
    """
    over = time.monotonic() + 60 * minutes
    node.start()
    start_s = node.await_ready()
    ends = {"starting": 0, "serving": 0}
    for number in range(kills):
        if time.monotonic() > over:
            break
        if number:
            node.start()
        if number and chance.random() < DURING_START:
            time.sleep(chance.uniform(0, start_s))
            ends["starting"] += 1
        else:
            if number:
                start_s = node.await_ready()
            time.sleep(chance.uniform(0, LONGEST_LIFE_S))
            ends["serving"] += 1
        node.kill()
        print(f"kill {number + 1}: {ends}", flush=True)
    return ends


def exported(life: NodeProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in life.run("receipts", "export").splitlines()]


def check_ledger(receipts: list[dict[str, Any]], clients: list[PayingClient], url: str) -> dict[str, int]:
    """Numbers without gaps, channels tiled from 0, one receipt per request, none lost; the charge of each channel."""
    seqs = sorted(int(one["receipt"]["seq"]) for one in receipts)
    assert seqs == list(range(1, len(receipts) + 1))
    assert len({one["id"] for one in receipts}) == len(receipts)
    assert len({one["receipt"]["requestDigest"] for one in receipts}) == len(receipts)
    by_id = {one["id"]: one for one in receipts}
    for client in clients:
        assert all(by_id["0x" + one.id.hex()]["signature"] == "0x" + one.signature.hex() for one in client.received)
        mine = [one for one in receipts if one["payer"] == client.key.address]
        assert len(client.received) <= len(mine) <= client.sent
    charged: dict[str, int] = {}
    for one in sorted(receipts, key=lambda each: int(each["receipt"]["seq"])):
        channel = one["receipt"]["channelId"]
        assert int(one["receipt"]["cumBefore"]) == charged.get(channel, 0)
        charged[channel] = charged.get(channel, 0) + int(one["receipt"]["fee"])
    for channel, amount in charged.items():
        shown = httpx2.get(f"{url}/payments/channels/{channel}").json()
        assert (int(shown["charged"]), int(shown["reserved"])) == (amount, 0)
    return charged


def check_chain(life: NodeProcess, chain: RunningChain, vault: str, charged: dict[str, int]) -> None:
    """After a settlement, every channel has paid what it was charged, and Settlement holds exactly that."""
    life.run("settle", "now", "--wait")
    status = life.json("settle", "status")
    assert status["unpostedReceipts"] == 0
    assert {sent["state"] for sent in status["transactions"]} <= {"mined", "final"}
    web3, total = connect(chain.rpc_url), sum(charged.values())
    escrow = contract(web3, "ChannelEscrow", ESCROW)
    for channel, amount in charged.items():
        assert escrow.functions.channels(bytes.fromhex(channel[2:])).call()[1] == amount
    settlement = contract(web3, "Settlement", chain.deployment.settlement)
    last, active, next_seq, _, last_total, active_total, _ = settlement.functions.ledger(vault).call()
    assert (last, next_seq) == (active, status_receipts(life) + 1)
    assert last_total == active_total == total == settlement.functions.credited(vault).call()


def status_receipts(life: NodeProcess) -> int:
    return len(exported(life))


def check_payers(clients: list[PayingClient], charged: dict[str, int], receipts: list[dict[str, Any]]) -> None:
    """What each wallet believes to have been charged is what its channel paid, and no receipt was refused."""
    channel_of = {one["payer"]: one["receipt"]["channelId"] for one in receipts}
    for client in clients:
        (file,) = client.state.glob(f"*{client.key.address}*.json")
        assert json.loads(file.read_text())["charged"] == charged[channel_of[client.key.address]]
        assert client.refusals == [], client.refusals


def run(folder: Path, kills: int, seed: int, minutes: float = 24 * 60) -> dict[str, Any]:
    """The whole test; its figures."""
    began, home = time.monotonic(), folder / "home"
    home.mkdir(parents=True)
    chain = start_chain(folder / "chain")
    node = MortalNode(home, chain.rpc_url, Preloader())
    try:
        vault = prepared_home(home, chain).node
        with loaded(node, chain, folder, seed) as (clients, settler):
            ends = kill_often(node, kills, random.Random(seed), minutes)
            node.start()
            node.await_ready()
        for client in clients:
            client.last_request()
        assert node.life is not None
        receipts = exported(node.life)
        charged = check_ledger(receipts, clients, node.url)
        check_chain(node.life, chain, vault, charged)
        check_payers(clients, charged, receipts)
        assert node.life.run("doctor") is not None
        epochs = node.life.json("settle", "status")["lastEpoch"]
        node.life.stop()
    finally:
        if node.life is not None and node.life.process.poll() is None:
            node.kill()
        node.preloader.close()
        chain.stop()
    return {
        "kills": ends,
        "seed": seed,
        "receipts": len(receipts),
        "receipts_that_clients_verified": sum(len(client.received) for client in clients),
        "answers_cut_off": sum(client.cut_off for client in clients),
        "settlement_cycles": settler.cycles,
        "epochs": epochs,
        "receipts_lost": 0,
        "receipts_doubled": 0,
        "charged": str(sum(charged.values())),
        "minutes": round((time.monotonic() - began) / 60, 1),
    }


def drawn_seed() -> int:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    return seed


def test_a_few_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    figures = run(tmp_path, kills=2, seed=drawn_seed())

    assert figures["receipts"] >= CLIENTS


@pytest.mark.full
@pytest.mark.timeout(3 * 3600)
def test_over_a_hundred_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    figures = run(tmp_path, kills=105, seed=drawn_seed())

    print(json.dumps(figures, indent=2))
    assert figures["receipts"] > 105


if __name__ == "__main__":
    where = Path(sys.argv[1])
    made = run(where, int(sys.argv[2]), drawn_seed(), float(sys.argv[3]))
    (where / "kills.json").write_text(json.dumps(made, indent=2) + "\n")
