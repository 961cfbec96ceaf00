"""The sizes of the benchmark."""

import json
from dataclasses import asdict, replace

import pytest

from benchmarks.lab.profiles import PROFILES, Profile


def test_a_profile_survives_its_document() -> None:
    for profile in PROFILES.values():
        assert Profile.restored(json.loads(json.dumps(asdict(profile)))) == profile


@pytest.mark.parametrize("name", ["ci", "cpu", "gpu"])
def test_only_an_unchanged_profile_is_standard(name: str) -> None:
    profile = PROFILES[name]

    assert profile.is_standard
    assert not any(changed.is_standard for changed in (profile.quick(), profile.full(), replace(profile, dtype="fp32")))


@pytest.mark.parametrize("name", ["ci", "cpu", "gpu"])
def test_a_quick_run_does_less_and_a_full_one_more(name: str) -> None:
    profile = PROFILES[name]

    assert profile.quick().requests < profile.requests <= profile.full().requests
    assert profile.quick().budget_s <= profile.budget_s < profile.full().budget_s
    assert profile.full().requests >= 1000


def test_adapters_take_the_ranks_in_turn_and_memory_grows_with_rank() -> None:
    profile = PROFILES["cpu"]

    assert [profile.rank(number) for number in range(4)] == [8, 16, 8, 16]
    assert profile.adapter_bytes(1) == 2 * profile.adapter_bytes(0) == profile.rank_bytes(16)
