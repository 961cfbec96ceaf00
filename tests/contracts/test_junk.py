"""No honest batch dies of junk: every proof is refused, every demand is answered, and bonds pay for the answers."""

from collections import Counter

import pytest

from tests.contracts.cheats import honest_batch
from tests.contracts.junk import survive
from tests.contracts.trial import Trial


def survive_many(seed: int, rounds: int, acts: int) -> Counter[str]:
    """Bothers `rounds` honest batches, and counts what was refused and why."""
    trial, refusals = Trial(seed, funded=True), Counter[str]()
    for _ in range(rounds):
        refusals += survive(trial, trial.scene, honest_batch(trial.scene), acts)
        refusals["honest batches"] += 1
    return refusals


@pytest.mark.parametrize("seed", range(2))
def test_no_honest_batch_dies_of_junk(seed: int) -> None:
    refusals = survive_many(seed, rounds=8, acts=15)

    assert refusals["honest batches"] == 8
    assert {"NoContradiction", "NotInBatch", "UnknownHeader"} <= set(refusals)
