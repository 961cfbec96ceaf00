"""One world per module: deploying everything takes a tenth of a second, and each test undoes what it sends."""

from collections.abc import Iterator

import pytest

from tests.contracts.docket import Docket
from tests.contracts.trial import Trial
from tests.contracts.world import World


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def trials() -> Trial:
    return Trial(77, funded=True)


@pytest.fixture
def trial(trials: Trial) -> Iterator[Trial]:
    with trials.machine.discarding():
        yield trials


@pytest.fixture
def docket(trial: Trial) -> Docket:
    return trial.docket
