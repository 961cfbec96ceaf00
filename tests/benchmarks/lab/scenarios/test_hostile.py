"""The scenario of hostile adapters fails if one is accepted."""

from pathlib import Path

import pytest

from benchmarks.lab.lab import Lab
from benchmarks.lab.profiles import PROFILES
from benchmarks.lab.scenarios.hostile import Attack, attempt
from serving.errors import SourceRefused

TINY = PROFILES["tiny"]


async def test_a_hostile_adapter_that_is_accepted_ends_the_run(tmp_path: Path) -> None:
    lab = Lab(TINY, tmp_path / "lab", seed=5)
    await lab.prepare()
    service = await lab.service()
    good = lab.adapter_folder(0)

    with pytest.raises(AssertionError, match="pickled adapter was accepted"):
        await attempt(service, Attack("pickled", f"file:{good}", SourceRefused))
    await lab.close()
