"""What `start --chain-rpc` needs before it serves: each thing that is missing or wrong is its own clear error."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from web3.types import RPCEndpoint

from contracts.crypto import Bytes32, PrivateKey, keccak
from local_chain.accounts import dev_accounts
from local_chain.client import RpcClient as LocalClient
from local_chain.deploy import deploy
from local_chain.deployment import Deployment
from local_chain.embedded import PyevmBackend
from local_chain.home import ChainHome
from local_chain.transactor import Transactor, connect
from node.chain.errors import ChainReplaced, ChainUnavailable, WrongChain
from node.cli.failures import exit_code_of
from node.compose.chain_setup import (
    ChainSetup,
    NodeNotRegistered,
    OperatorReplaced,
    OperatorUnfunded,
    VaultUnusable,
    configured_chain,
    dev_chain,
    registered_node,
)
from node.config import Settings, SettingsError, load
from node.dev.seed import seed
from node.home.keystore import AccountUnknown, Keystores, WrongPassword

OPERATOR, STRANGER = dev_accounts()[1], dev_accounts()[2]
PASSWORD = "correct horse"
BASE = Bytes32(keccak(b"a base"))


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PyevmBackend]:
    backend = PyevmBackend(tmp_path_factory.mktemp("chain"))
    backend.start(0)
    yield backend
    backend.stop()


@pytest.fixture(scope="module")
def deployment(chain: PyevmBackend) -> Deployment:
    return deploy(chain.rpc_url)


@pytest.fixture
def home(tmp_path: Path, deployment: Deployment) -> Path:
    Keystores(tmp_path / "keystores", scrypt_n=2).add("operator", OPERATOR, PASSWORD)
    (tmp_path / "deployment.json").write_text(json.dumps(deployment.to_json()))
    return tmp_path


def settings(home: Path, url: str, password: str | None = PASSWORD, **flags: object) -> Settings:
    given: dict[str, object] = {"home": home, "chain_rpc": url, "operator_password": password}
    return load({**given, **flags}, {}).settings


async def test_a_registered_node_is_found_by_its_operator(
    chain: PyevmBackend, deployment: Deployment, home: Path
) -> None:
    seeded = seed(chain.rpc_url, deployment, base_digest=BASE, adapters=(), datanets=())

    chain = await configured_chain(settings(home, chain.rpc_url))

    assert chain == ChainSetup(chain.rpc_url, deployment, OPERATOR)
    assert await registered_node(chain) == seeded.node


async def test_an_operator_without_a_node_is_told_to_register(chain: PyevmBackend, deployment: Deployment) -> None:
    with pytest.raises(NodeNotRegistered, match=STRANGER.address) as refused:
        await registered_node(ChainSetup(chain.rpc_url, deployment, STRANGER))

    assert exit_code_of(refused.value) == 3


async def test_a_key_that_does_not_own_the_node_serves_it_once_it_is_the_operator(
    chain: PyevmBackend, deployment: Deployment
) -> None:
    seeded = seed(chain.rpc_url, deployment, base_digest=BASE, adapters=(), datanets=())
    owner = Transactor(connect(chain.rpc_url), OPERATOR)
    registry = owner.web3.eth.contract(deployment.node_registry, abi=_abi("NodeRegistry"))
    old, new = (ChainSetup(chain.rpc_url, deployment, key) for key in (OPERATOR, STRANGER))
    with pytest.raises(
        OperatorReplaced, match=f"is {OPERATOR.address}, but this node has the key of {STRANGER.address}"
    ):
        await registered_node(new, seeded.node)

    owner.call(registry, "rotateOperator", seeded.node, STRANGER.address)
    owner.web3.provider.make_request(RPCEndpoint("evm_increaseTime"), [1])
    owner.pay(STRANGER.address, 1)  # a second later the new key is in force
    try:
        assert await registered_node(new, seeded.node) == seeded.node
        with pytest.raises(OperatorReplaced, match=STRANGER.address) as refused:
            await registered_node(old)
        assert exit_code_of(refused.value) == 3
    finally:
        owner.call(registry, "rotateOperator", seeded.node, OPERATOR.address)
        owner.web3.provider.make_request(RPCEndpoint("evm_increaseTime"), [1])
        owner.pay(STRANGER.address, 1)


async def test_a_vault_that_is_no_node_is_refused(chain: PyevmBackend, deployment: Deployment) -> None:
    with pytest.raises(VaultUnusable, match="not registered on chain 31337"):
        await registered_node(ChainSetup(chain.rpc_url, deployment, OPERATOR), STRANGER.address)


async def test_an_operator_without_gas_is_told_to_fund_its_key(chain: PyevmBackend, deployment: Deployment) -> None:
    poor = PrivateKey(keccak(b"poor"))
    web3 = connect(chain.rpc_url)
    Transactor(web3, OPERATOR).pay(poor.address, 10**16)
    registry = web3.eth.contract(deployment.node_registry, abi=_abi("NodeRegistry"))
    Transactor(web3, poor).call(registry, "register", deployment.open_token, 0, poor.address, "")
    left = web3.eth.get_balance(poor.address) - 21_000 * 2 * 10**9
    Transactor(web3, poor).pay(OPERATOR.address, max(left, 0))

    with pytest.raises(OperatorUnfunded):
        await registered_node(ChainSetup(chain.rpc_url, deployment, poor))


def _abi(name: str) -> list[dict[str, object]]:
    from contracts.artifacts import load as load_artifact

    return list(load_artifact(name).abi)


async def test_a_wrong_password_is_named(chain: PyevmBackend, home: Path) -> None:
    with pytest.raises(WrongPassword) as refused:
        await configured_chain(settings(home, chain.rpc_url, "wrong"))

    assert exit_code_of(refused.value) == 3


async def test_a_missing_password_or_account_is_named(chain: PyevmBackend, home: Path) -> None:
    with pytest.raises(SettingsError, match="operator_password"):
        await configured_chain(settings(home, chain.rpc_url, None))
    with pytest.raises(AccountUnknown, match="nobody"):
        await configured_chain(settings(home, chain.rpc_url, operator_account="nobody"))


async def test_missing_addresses_of_the_contracts_are_named(chain: PyevmBackend, home: Path) -> None:
    (home / "deployment.json").write_text("{}")

    with pytest.raises(SettingsError, match="deployment"):
        await configured_chain(settings(home, chain.rpc_url))


async def test_a_chain_that_does_not_answer_is_named(deployment: Deployment) -> None:
    with pytest.raises(ChainUnavailable, match=r"127\.0\.0\.1:1") as refused:
        await registered_node(ChainSetup("http://127.0.0.1:1", deployment, OPERATOR))

    assert exit_code_of(refused.value) == 4


async def test_another_chain_than_the_configured_is_refused(chain: PyevmBackend, deployment: Deployment) -> None:
    with pytest.raises(WrongChain, match="31337") as refused:
        await registered_node(ChainSetup(chain.rpc_url, replace(deployment, chain_id=5), OPERATOR))

    assert exit_code_of(refused.value) == 4


async def test_a_chain_that_was_wiped_since_the_deployment_is_refused(
    chain: PyevmBackend, deployment: Deployment
) -> None:
    old = replace(deployment, genesis_hash="0x" + "ab" * 32)

    with pytest.raises(ChainReplaced, match="wiped or replaced") as refused:
        await registered_node(ChainSetup(chain.rpc_url, old, OPERATOR))

    assert exit_code_of(refused.value) == 4


async def test_a_development_chain_that_dies_is_restarted_and_readiness_has_its_check(tmp_path: Path) -> None:
    settings = load({"home": tmp_path, "dev": True}, {}).settings
    async with asyncio.timeout(120), dev_chain(settings, lambda what, fraction: None) as starting:
        setup = await starting
        check = setup.probes["chain_process"]
        run = ChainHome(tmp_path / "chain").announced()
        assert run is not None
        assert (await check()).ok

        os.kill(run.pid, signal.SIGKILL)
        while "restarted" not in (await check()).reason or not (await check()).ok:  # noqa: ASYNC110 # a check has no event
            await asyncio.sleep(0.02)

        assert LocalClient(setup.rpc_url).chain_id() == setup.deployment.chain_id
    assert not ChainHome(tmp_path / "chain").is_locked()
