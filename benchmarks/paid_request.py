"""What payment costs a request: the same chat request to a paid node and to a free one, in turn.

Both are nodes on this machine with the starter pack. The paid side signs, is admitted, gets a durable
receipt and checks it; the free side does none of this. Time is taken around the whole call of a client that keeps its
connection.
"""

import statistics
import tempfile
import time
from pathlib import Path

import httpx2

from benchmarks.nodes import running_node
from benchmarks.record import write
from local_chain.accounts import dev_accounts
from node.client.auth import WalletAuth

WARM_UP = 10
ROUNDS = 200
OUTPUT_TOKENS = (1, 15)
DEPOSIT = 10**18
PAYER = 2


def main() -> None:
    """Measure and store benchmarks/results/paid_request.json."""
    with running_node("--free") as free, running_node("--dev") as paid, tempfile.TemporaryDirectory() as state:
        auth = WalletAuth(dev_accounts()[PAYER], Path(state), deposit=DEPOSIT)
        with httpx2.Client(base_url=free.url) as plain, httpx2.Client(base_url=paid.url, auth=auth) as paying:
            cases = [compare(plain, paying, tokens) for tokens in OUTPUT_TOKENS]
    write("paid_request", {"rounds": ROUNDS, "unit": "milliseconds, median of the whole call", "cases": cases})


def compare(plain: httpx2.Client, paying: httpx2.Client, output_tokens: int) -> dict[str, object]:
    """Median times of both sides, asked in turn, and the median of the ratios pair by pair."""
    for _ in range(WARM_UP):
        ask(plain, output_tokens), ask(paying, output_tokens)
    pairs = [(ask(plain, output_tokens), ask(paying, output_tokens)) for _ in range(ROUNDS)]
    unpaid, paid = zip(*pairs, strict=True)
    return {
        "output_tokens": output_tokens,
        "unpaid_ms": round(statistics.median(unpaid) * 1000, 2),
        "paid_ms": round(statistics.median(paid) * 1000, 2),
        "unpaid_p95_ms": round(statistics.quantiles(unpaid, n=20)[-1] * 1000, 2),
        "paid_p95_ms": round(statistics.quantiles(paid, n=20)[-1] * 1000, 2),
        "ratio": round(statistics.median(b / a for a, b in pairs), 3),
    }


def ask(client: httpx2.Client, output_tokens: int) -> float:
    """Seconds one chat request takes; it must succeed and produce exactly the tokens asked for at most."""
    body = {
        "model": "dermatology",
        "messages": [{"role": "user", "content": "What is the dose of Grefemont cream?"}],
        "max_tokens": output_tokens,
        "temperature": 0,
    }
    started = time.perf_counter()
    answer = client.post("/v1/chat/completions", json=body, timeout=60)
    took = time.perf_counter() - started
    answer.raise_for_status()
    return took


if __name__ == "__main__":
    main()
