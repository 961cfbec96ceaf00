"""Errors of a private chain: their class survives a process border, and their message says what to do."""

from pathlib import Path

import pytest

from local_chain.errors import (
    ChainStartFailed,
    ChainUnreachable,
    CorruptChain,
    DeploymentOutdated,
    EngineMissing,
    HomeInUse,
    LocalChainError,
    PortInUse,
    WrongChain,
    WrongEngine,
)


def test_every_reported_error_keeps_its_class_across_processes() -> None:
    for error in LocalChainError.__subclasses__():
        assert type(LocalChainError.from_kind(error("why").kind, "why")) is error
    assert type(LocalChainError.from_kind("Unknown", "why")) is ChainStartFailed


@pytest.mark.parametrize(
    ("error", "values", "remedy"),
    [
        (PortInUse.at(8545), ["8545"], "another port"),
        (HomeInUse.by(Path("/chain"), "process 7"), ["/chain", "process 7"], "another home"),
        (EngineMissing.of("anvil", "run `npm ci`"), ["anvil"], "npm ci"),
        (WrongEngine.of(Path("/chain"), "pyevm", "anvil"), ["/chain", "pyevm", "anvil"], "--engine pyevm"),
        (CorruptChain.at(Path("/chain/x"), "no head"), ["/chain/x", "no head"], "chain reset"),
        (ChainUnreachable.at("http://a:1", "refused"), ["http://a:1", "refused"], "chain up"),
        (WrongChain.of("http://a:1", 1, 31337), ["http://a:1", "chain id 1", "31337"], "chain 31337 only"),
        (DeploymentOutdated.of("Settlement"), ["Settlement"], "chain reset"),
    ],
)
def test_a_message_names_the_values_and_the_remedy(error: LocalChainError, values: list[str], remedy: str) -> None:
    assert all(value in str(error) for value in values)
    assert remedy in str(error)
