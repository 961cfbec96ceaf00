"""The committed artifacts match the sources, and contracts placed as bare code have no constructor or immutables."""

import pytest

from contracts.artifacts import load
from tests.contracts.toolchain import CONTRACTS, run_script

NAMES = sorted(path.stem for path in (CONTRACTS / "artifacts").glob("*.json"))


def test_the_artifacts_are_what_the_sources_compile_to() -> None:
    check = run_script("compile.mjs", "--check")

    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize("name", NAMES)
def test_an_artifact_deploys_and_fits_the_chain(name: str) -> None:
    artifact = load(name)

    assert artifact.name == name
    assert 0 < len(artifact.runtime) <= 24_576  # EIP-170
    assert len(artifact.runtime) < len(artifact.bytecode) <= 49_152  # EIP-3860
    assert artifact.abi


@pytest.mark.parametrize("name", ["ChannelEscrow", "ERC3009DepositCollector", "Multicall3"])
def test_code_that_is_placed_has_no_constructor_and_no_immutables(name: str) -> None:
    artifact = load(name)

    assert not [item for item in artifact.abi if item["type"] == "constructor"]
    # the deployment code only returns the runtime code, which it contains unchanged
    assert artifact.bytecode.endswith(artifact.runtime)
    assert len(artifact.bytecode) - len(artifact.runtime) < 64


def test_an_unknown_contract_is_named_with_those_that_exist() -> None:
    with pytest.raises(KeyError, match=r"no compiled contract 'Jury'.*Settlement"):
        load("Jury")
