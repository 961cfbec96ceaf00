"""The whole benchmark on a model so small that every scenario ends in seconds."""

import json
import subprocess
import sys

import pytest

from benchmarks.lab import suite
from benchmarks.lab.profiles import PROFILES

TINY = PROFILES["tiny"]
SCENARIOS = suite.SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
async def test_a_scenario_compares_its_arms_and_loses_and_mixes_up_nothing(scenario: suite.Scenario) -> None:
    document = await suite.run(TINY, [scenario], 3, lambda scenario, found: None)

    found = json.loads(json.dumps(document, allow_nan=False))["scenarios"][scenario.name]
    assert found["checks"]["exact"] > 0
    assert {name: count for name, count in found["checks"].items() if count} == {"exact": found["checks"]["exact"]}
    assert found["compared"]
    assert all(arm["requests"] > 0 and arm["lost"] == 0 for arm in found["arms"].values())


def test_every_letter_of_the_specification_has_its_scenario() -> None:
    assert sorted(scenario.letter for scenario in SCENARIOS if scenario.letter) == list("ABCDEFGH")


def test_the_benchmark_loads_no_chain_database_or_http_server() -> None:
    unwanted = {"web3", "eth_account", "coincurve", "sqlalchemy", "sqlmodel", "fastapi", "uvicorn", "contracts"}
    program = "import sys, benchmarks.lab.suite; print(' '.join(sys.modules))"

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert not unwanted & set(loaded.split())
