"""Arms that take turns."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.lab.clients import Measurement
from benchmarks.lab.lab import Arm, Lab, Turn, difference, medians, ratio
from benchmarks.lab.profiles import PROFILES, Profile
from serving.base.cpu_kernels import kernels_for
from serving.config import KERNELS_HOME, StepThreads

TINY = replace(PROFILES["tiny"], rounds=3)


def arms(turns_run: list[str], wall_s: float = 1.0) -> list[Arm]:
    """Two arms that only record their turns."""

    def turn(name: str) -> Turn:
        async def run(number: int) -> Measurement:
            turns_run.append(f"{name}{number}")
            return Measurement((), wall_s)

        return run

    return [Arm(name, turn(name)) for name in "ab"]


async def turns(profile: Profile, folder: Path, **options: float) -> list[str]:
    turns_run: list[str] = []
    measurements = await Lab(profile, folder, seed=5).take_turns(arms(turns_run), **options)
    assert len(measurements["a"]) == len(measurements["b"])
    return turns_run


async def test_every_other_round_goes_backwards_after_a_rehearsal(tmp_path: Path) -> None:
    assert await turns(TINY, tmp_path) == ["a3", "b3", "a0", "b0", "b1", "a1", "a2", "b2"]


async def test_a_quick_profile_is_not_rehearsed(tmp_path: Path) -> None:
    assert await turns(TINY.quick(), tmp_path) == ["a0", "b0"]


async def test_the_first_round_is_whole_even_if_there_is_no_time(tmp_path: Path) -> None:
    assert await turns(replace(TINY, grid="quick", budget_s=0.0), tmp_path) == ["a0", "b0"]


async def test_more_turns_can_be_asked_for_than_the_profile_has(tmp_path: Path) -> None:
    assert len(await turns(replace(TINY, grid="quick"), tmp_path, rounds=7)) == 14


def test_all_arms_of_a_turn_ask_for_the_same_and_the_next_turn_for_others(tmp_path: Path) -> None:
    lab = Lab(TINY, tmp_path, seed=5)
    models = [f"a{number}" for number in range(50)]

    first, again, next_turn = (lab.models_of_turn("zipf", models, 40, turn) for turn in (0, 0, 1))

    assert first == again != next_turn
    assert [request.prompt_ids for request in lab.requests(first)] != [
        request.prompt_ids for request in lab.requests(again)
    ]


def test_figures_of_arms_are_compared_turn_by_turn() -> None:
    measurements = {
        "slow": [Measurement((), 4.0), Measurement((), 6.0)],
        "fast": [Measurement((), 2.0), Measurement((), 2.0)],
    }

    assert ratio(measurements, "slow", "fast", "wall_s").median == pytest.approx(2.5)
    assert difference(measurements, "slow", "fast", "wall_s").median == pytest.approx(3.0)
    assert medians(measurements)["slow"]["wall_s"] == pytest.approx(5.0)
    assert medians(measurements)["slow"]["turns"] == 2


async def test_a_services_threads_are_those_it_is_given_and_later_services_take_the_firsts(tmp_path: Path) -> None:
    lab = Lab(TINY, tmp_path / "lab", seed=5)
    await lab.prepare()
    lab.step_threads = StepThreads(3, shared_from=5)

    first = await lab.service()
    second = await lab.service()

    if kernels_for(torch.float32, torch.device("cpu"), KERNELS_HOME.expanduser()) is not None:
        assert first.step_threads == StepThreads(3, shared_from=5)
    assert first.step_threads == second.step_threads == lab.step_threads
    await lab.close()
