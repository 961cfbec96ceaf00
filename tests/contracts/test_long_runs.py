"""The long runs of `make test-full`: 100,000 transitions, 20,000 dishonest batches, 20,000 honest ones under junk.

`python -m tests.contracts.fuzz` runs the same seeds and writes contracts/test/fuzz/*.json.
"""

import pytest

from tests.contracts.fuzz import FIRST_SEED, KINDS

RUNS = [
    (kind, seed)
    for kind, count in (("transitions", 100_000), ("cheats", 20_000), ("junk", 20_000))
    for seed in range(FIRST_SEED, FIRST_SEED + count // KINDS[kind][1])
]


@pytest.mark.full
@pytest.mark.parametrize(("kind", "seed"), RUNS)
def test_no_case_of_a_long_run_ends_as_it_must_not(kind: str, seed: int) -> None:
    one, cases = KINDS[kind]

    assert one(seed).total() >= cases
