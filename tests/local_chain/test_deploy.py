"""Deploying: the result is the same after any interruption, and a used chain is refused."""

import pytest

from contracts.crypto import keccak
from local_chain.deploy import OPEN_SUPPLY, OPERATOR_OPEN, PAYER_OPEN, deploy
from local_chain.errors import ChainUnreachable, DeploymentOutdated, TransactionFailed
from local_chain.genesis import CHAIN_ID
from local_chain.transactor import Transactor, connect, contract
from tests.local_chain.engines import DEPLOYER, OPERATOR, OWNER, PAYER, Chain


class Interrupted(Exception):
    """Stops a deployment in these tests."""


def test_a_deployment_is_complete_and_wired(chain: Chain) -> None:
    deployment = chain.deployment
    settlement = contract(chain.web3, "Settlement", deployment.settlement).functions
    registry = contract(chain.web3, "NodeRegistry", deployment.node_registry).functions

    assert settlement.registry().call() == deployment.node_registry
    assert settlement.assets().call() == deployment.asset_registry
    assert settlement.treasury().call() == DEPLOYER.address
    assert settlement.treasuryPpm().call() == 100_000
    assert settlement.challengeWindow().call() == 5
    assert settlement.minChallengeWindow().call() == 1
    assert registry.unbondingDelay().call() > settlement.MAX_CHALLENGE_WINDOW().call() + 48 * 3600
    assert registry.vaultImplementation().call() == deployment.vault_implementation
    assert deployment.chain_id == CHAIN_ID
    assert deployment.genesis_hash == chain.web3.eth.get_block(0)["hash"].to_0x_hex()


def test_only_votes_govern_after_the_deployment(chain: Chain) -> None:
    deployment, web3 = chain.deployment, chain.web3
    timelock = contract(web3, "TimelockController", deployment.timelock).functions
    manager = contract(web3, "AccessManager", deployment.access_manager).functions
    proposer, canceller, nobody = keccak(b"PROPOSER_ROLE"), keccak(b"CANCELLER_ROLE"), bytes(32)

    assert contract(web3, "OpenGovernor", deployment.governor).functions.timelock().call() == deployment.timelock
    assert timelock.hasRole(proposer, deployment.governor).call()
    assert timelock.hasRole(canceller, deployment.governor).call()
    assert not timelock.hasRole(nobody, DEPLOYER.address).call()
    assert manager.hasRole(0, deployment.timelock).call() == [True, 0]
    assert manager.hasRole(0, DEPLOYER.address).call() == [False, 0]
    with pytest.raises(TransactionFailed, match="AccessManagedUnauthorized"):
        Transactor(web3, DEPLOYER).call(
            contract(web3, "Settlement", deployment.settlement), "setTreasury", DEPLOYER.address
        )


def test_deploying_again_changes_nothing(rpc_url: str) -> None:
    first = deploy(rpc_url)
    head = connect(rpc_url).eth.block_number

    second = deploy(rpc_url)

    assert second == first
    assert connect(rpc_url).eth.block_number == head


def test_a_deployment_interrupted_at_any_step_continues_where_it_stopped(rpc_url: str) -> None:
    reported: list[str] = []

    def stop_once(step: str, _part: float) -> None:
        if step not in reported:
            reported.append(step)
            raise Interrupted

    while "deployed" not in reported:
        with pytest.raises(Interrupted):
            deploy(rpc_url, on_progress=stop_once)
    deploy(rpc_url, on_progress=stop_once)

    web3 = connect(rpc_url)
    token = contract(web3, "OpenToken", deploy(rpc_url).open_token).functions
    assert web3.eth.get_transaction_count(DEPLOYER.address) == len(reported) - 1
    assert token.balanceOf(OPERATOR.address).call() == OPERATOR_OPEN
    assert token.balanceOf(PAYER.address).call() == PAYER_OPEN
    assert token.balanceOf(DEPLOYER.address).call() == OPEN_SUPPLY - OPERATOR_OPEN - PAYER_OPEN


def test_a_deployer_that_was_used_before_is_refused_with_what_to_do(rpc_url: str) -> None:
    Transactor(connect(rpc_url), DEPLOYER).pay(OWNER.address, 1)

    with pytest.raises(TransactionFailed, match="chain reset"):
        deploy(rpc_url)


def test_contracts_of_another_version_are_recognised(rpc_url: str) -> None:
    deployer = Transactor(connect(rpc_url), DEPLOYER)
    deployer.deploy("OpenToken", [DEPLOYER.address, OPEN_SUPPLY])
    deployer.deploy("AccessManager", [DEPLOYER.address])
    deployer.deploy("AccessManager", [DEPLOYER.address])

    with pytest.raises((DeploymentOutdated, TransactionFailed), match=r"AssetRegistry|Settlement"):
        deploy(rpc_url)


def test_a_chain_that_does_not_answer_is_named() -> None:
    with pytest.raises(ChainUnreachable, match=r"http://127\.0\.0\.1:9"):
        deploy("http://127.0.0.1:9")
