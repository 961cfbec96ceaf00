"""The long runs: `python -m tests.contracts.fuzz KIND COUNT` writes contracts/test/fuzz/KIND.json.

KIND is `transitions` (the Judge contract against the Python transition), `cheats` (dishonest batches) or `junk` (junk
against honest batches). A seed fixes everything, so a failure can be repeated.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.contracts.cheats import CHEATS
from tests.contracts.test_judge import compare_many
from tests.contracts.test_junk import survive_many
from tests.contracts.test_trial import try_many

FIRST_SEED = 1000
RESULTS = Path(__file__).parents[2] / "contracts" / "test" / "fuzz"
KINDS: dict[str, tuple[Callable[[int], Counter[str]], int]] = {
    "transitions": (lambda seed: compare_many(seed, honest=50, mutations=9), 500),
    "cheats": (lambda seed: try_many(seed, rounds=25), 25 * len(CHEATS)),
    "junk": (lambda seed: survive_many(seed, rounds=200, acts=12), 200),
}
"""Each kind: what one seed runs, and how many cases that is."""


def main(kind: str, count: int) -> None:
    """At least `count` cases. AssertionError for the first that ends as it must not; the log names its seed.

    The results are written after each seed, with the commit that they are of.
    """
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    one, cases = KINDS[kind]
    outcomes, started = Counter[str](), time.monotonic()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for done in range(1, -(-count // cases) + 1):
        seed = FIRST_SEED + done - 1
        print(f"{kind}: seed {seed}", flush=True)
        outcomes += one(seed)
        results = {
            "commit": commit,
            "kind": kind,
            "cases": done * cases,
            "failures": 0,
            "seeds": [FIRST_SEED, seed],
            "seconds": round(time.monotonic() - started),
            "outcomes": dict(sorted(outcomes.items())),
        }
        (RESULTS / f"{kind}.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
