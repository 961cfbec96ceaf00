"""Where a home keeps the contracts' addresses."""

import json
import stat
from pathlib import Path

import pytest

from contracts.crypto import to_address
from local_chain.deployment import Deployment
from node.home.deployment_file import deployment_path, read_deployment, write_deployment

ADDRESSES = [to_address("0x" + f"{number:02x}" * 20) for number in range(1, len(Deployment.__slots__) - 1)]
DEPLOYMENT = Deployment(31337, "0x" + "00" * 32, *ADDRESSES)


def test_a_written_deployment_reads_back(tmp_path: Path) -> None:
    write_deployment(tmp_path, DEPLOYMENT)

    assert read_deployment(deployment_path(tmp_path, None)) == DEPLOYMENT


def test_only_the_owner_reads_the_file(tmp_path: Path) -> None:
    write_deployment(tmp_path, DEPLOYMENT)

    assert stat.S_IMODE((tmp_path / "deployment.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["deployment.json"]


def test_the_settings_file_goes_before_the_home_s_own(tmp_path: Path) -> None:
    assert deployment_path(tmp_path, tmp_path / "other.json") == tmp_path / "other.json"


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"chainId": 1})])
def test_a_file_without_the_addresses_is_a_value_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "deployment.json").write_text(text)

    with pytest.raises(ValueError, match=r"."):
        read_deployment(tmp_path / "deployment.json")
