"""The version stands in two places, which must agree."""

import tomllib
from pathlib import Path

from node.version import VERSION


def test_the_package_and_its_metadata_have_one_version() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    assert project["version"] == VERSION
