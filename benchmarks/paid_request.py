"""What payment adds to a request: the same chat request sent to a paid node and to a free node, in turn.

Both nodes run on this machine and serve the starter pack. The paid request is signed by the client, admitted by the
node, recorded in a durable receipt, and the client checks that receipt; the free request skips all of this. The time is
that of the client's whole call, over a connection that stays open.

Run it with `python -m benchmarks.run paid_request`.
"""

import statistics
import tempfile
import time
from pathlib import Path

import httpx2

from benchmarks.nodes import running_node
from benchmarks.result import write
from local_chain.accounts import dev_accounts
from node.client.auth import WalletAuth

WARM_UP = 10
ROUNDS = 200
OUTPUT_TOKENS = (1, 15)
DEPOSIT = 10**18
PAYER = 2


def measure() -> None:
    """Measure both nodes and write benchmarks/results/paid_request.json."""
    with running_node("--free") as free, running_node("--dev") as paid, tempfile.TemporaryDirectory() as state:
        auth = WalletAuth(dev_accounts()[PAYER], Path(state), deposit=DEPOSIT)
        with httpx2.Client(base_url=free.url) as plain, httpx2.Client(base_url=paid.url, auth=auth) as paying:
            cases = [compare(plain, paying, tokens) for tokens in OUTPUT_TOKENS]
    write("paid_request", {"rounds": ROUNDS, "unit": "milliseconds, median of the whole call", "cases": cases})


def compare(plain: httpx2.Client, paying: httpx2.Client, output_tokens: int) -> dict[str, object]:
    """Median and 95th-percentile times of ROUNDS alternating requests, and the median of the ratios pair by pair."""
    for _ in range(WARM_UP):
        timed_request(plain, output_tokens), timed_request(paying, output_tokens)
    pairs = [(timed_request(plain, output_tokens), timed_request(paying, output_tokens)) for _ in range(ROUNDS)]
    return summary(pairs, output_tokens)


def summary(pairs: list[tuple[float, float]], output_tokens: int) -> dict[str, object]:
    """The row of the result for `pairs` of (unpaid, paid) times in seconds, of at least two."""
    unpaid, paid = zip(*pairs, strict=True)
    return {
        "output_tokens": output_tokens,
        "unpaid_ms": round(statistics.median(unpaid) * 1000, 2),
        "paid_ms": round(statistics.median(paid) * 1000, 2),
        "unpaid_p95_ms": round(statistics.quantiles(unpaid, n=20)[-1] * 1000, 2),
        "paid_p95_ms": round(statistics.quantiles(paid, n=20)[-1] * 1000, 2),
        "ratio": round(statistics.median(b / a for a, b in pairs), 3),
    }


def timed_request(client: httpx2.Client, output_tokens: int) -> float:
    """Seconds until a chat request of at most `output_tokens` was answered. Raises HTTPStatusError if it failed."""
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
