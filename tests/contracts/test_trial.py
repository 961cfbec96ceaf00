"""Every dishonest batch dies by a proof or by a demand that nobody can answer."""

from collections import Counter

import pytest

from tests.contracts.cheats import CHEATS
from tests.contracts.trial import Trial


def try_many(seed: int, rounds: int) -> Counter[str]:
    """Tries every kind of cheat `rounds` times, and counts how they ended."""
    trial, ends = Trial(seed), Counter[str]()
    for _ in range(rounds):
        for name in CHEATS:
            ends[f"{name}: {trial.try_cheat(name)}"] += 1
    return ends


@pytest.mark.parametrize("seed", range(2))
def test_every_dishonest_batch_dies(seed: int) -> None:
    ends = try_many(seed, rounds=6)

    assert ends["wrong state: demand"]
    assert ends["wrong total: proveWrongTotal"]
