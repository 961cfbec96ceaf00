import json
import random
import subprocess
import sys
import time
from pathlib import Path

from node.store import reservations
from tests.node.metering.crash_child import FUNDS
from tests.node.payments.payer import Payer
from tests.node.payments.shop import RECEIVER, open_shop

ROOT = Path(__file__).parents[3]
KILLS = 3


def work_and_die(url: str, first: int, lifetime_s: float) -> list[dict[str, object]]:
    """What a child handed out before it was killed with SIGKILL, `lifetime_s` after its first receipt."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.node.metering.crash_child", url, str(first)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    lines = [child.stdout.readline()]
    time.sleep(lifetime_s)
    child.kill()
    lines += child.stdout.read().splitlines(keepends=True)
    child.wait()
    child.stdout.close()
    assert lines[0], "the child ended before its first receipt"
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


async def test_a_killed_node_loses_no_receipt_and_charges_nothing_without_one(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    url = f"sqlite:///{tmp_path}/node.db"
    handed_out: list[dict[str, object]] = []

    for kill in range(KILLS):
        handed_out += work_and_die(url, kill * 100_000 + 1, chance.uniform(0, 0.3))

        async with open_shop(url) as shop:
            channel = await shop.channel(Payer(RECEIVER))
            page = await shop.receipts.latest(limit=100_000)
            stored = {one.receipt_id.hex(): one for one in page}
            assert all(stored[str(line["id"])].signature.hex() == line["signature"] for line in handed_out)
            assert channel.charged == sum(one.receipt.fee for one in page) <= FUNDS
            assert (channel.reserved, await shop.database.read(reservations.count)) == (0, 0)
            numbered = await shop.receipts.of_channel(channel.channel_id, limit=100_000)
            charged = 0
            for seq, one in enumerate(numbered, start=1):
                assert (one.receipt.seq, one.receipt.cum_before) == (seq, charged)
                charged += one.receipt.fee
            assert charged == channel.charged
