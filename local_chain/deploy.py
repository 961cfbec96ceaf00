"""Deploys the contracts to a private chain and gives the development accounts their OPEN.

The deployer is account 0, and the deployment is the first thing it sends. Each step therefore has a fixed nonce, and
the chain alone says which steps are done and which addresses the contracts have. An interrupted deployment continues
where it stopped; a finished deployment is only read.
"""

from collections.abc import Callable
from dataclasses import dataclass

import rlp  # type: ignore[import-untyped]  # rlp ships no types
from web3 import Web3

from contracts.artifacts import load
from contracts.crypto import ZERO_ADDRESS, Address, address_bytes, keccak, to_address
from contracts.x402 import ESCROW
from local_chain.accounts import dev_accounts
from local_chain.deployment import Deployment
from local_chain.errors import DeploymentOutdated, TransactionFailed
from local_chain.genesis import CHAIN_ID, PREDEPLOYED
from local_chain.transactor import Transactor, connect, contract, to_web3

OPEN_SUPPLY = 1_000_000_000 * 10**18
"""The whole supply, in OPEN base units (18 decimals)."""
OPERATOR_OPEN = 1_000_000 * 10**18
PAYER_OPEN = 1_000_000 * 10**18
PROPOSAL_OPEN = OPEN_SUPPLY // 1000
"""The votes that a proposer needs: a thousandth of the supply."""
QUORUM_PERCENT = 4
_ADMIN_ROLE, _DEFAULT_ADMIN_ROLE = 0, bytes(32)

_NONCES = {
    "OpenToken": 0,
    "AccessManager": 1,
    "AssetRegistry": 2,
    "Settlement": 3,
    "TimelockController": 6,
    "OpenGovernor": 7,
    "ServingParameters": 8,
    "Judge": 9,
    "Challenges": 10,
}
"""The deployer's nonce of each contract, which fixes its address: its position in `_contracts`."""
_Step = tuple[str, Callable[[], object]]


@dataclass(frozen=True, slots=True)
class DevParameters:
    """Parameters of the contracts on a private chain. The delays are short, so that a developer can wait for them.

    unbonding_delay_s is not: it must exceed the longest challenge window that votes can set, a week, and the 48 hours
    that challenges may take. min_challenge_window_s: the shortest window that votes can set. Governance waits in its
    timelock; the AccessManager adds no delay of its own.
    """

    challenge_window_s: int = 5
    min_challenge_window_s: int = 1
    notice_s: int = 60
    unbonding_delay_s: int = 864_000
    reveal_delay_s: int = 1
    treasury_ppm: int = 100_000
    voting_delay_s: int = 1
    voting_period_s: int = 30
    timelock_s: int = 5


def deploy(
    rpc_url: str,
    parameters: DevParameters = DevParameters(),
    on_progress: Callable[[str, float], None] = lambda step, part: None,
) -> Deployment:
    """Runs the steps that are missing and returns the addresses.

    `on_progress` receives the name of each step and the part that is done before it, 0 to 1.
    Raises ChainUnreachable, WrongChain, TransactionFailed, or DeploymentOutdated if the chain holds other code.
    """
    web3 = connect(rpc_url)
    deployer = Transactor(web3, dev_accounts()[0])
    created = {name: _created(deployer.address, nonce) for name, nonce in _NONCES.items()}
    steps = [*_contracts(deployer, created, parameters), *_handover(deployer, created)]
    for done, (name, step) in enumerate(steps):
        on_progress(name, done / len(steps))
        if deployer.nonce() <= done:
            step()
        if name in created:
            _require_code(web3, name, created[name])
    on_progress("deployed", 1.0)
    return _read(web3, created)


def _contracts(deployer: Transactor, at: dict[str, Address], parameters: DevParameters) -> list[_Step]:
    """The contracts, and OPEN for the operator and the payer. at: the addresses that the contracts get."""
    _, operator, payer = dev_accounts()[:3]
    treasury, token = deployer.address, at["OpenToken"]
    windows = (parameters.challenge_window_s, parameters.min_challenge_window_s)
    rules = (parameters.treasury_ppm, *windows, parameters.notice_s, parameters.unbonding_delay_s)
    votes = (parameters.voting_delay_s, parameters.voting_period_s, PROPOSAL_OPEN, QUORUM_PERCENT)
    settled = (ESCROW, at["AssetRegistry"], at["Challenges"], token, treasury, *rules)
    registry = _created(at["Settlement"], 1)  # the first contract that Settlement creates
    judged = (at["AccessManager"], at["Settlement"], ESCROW, at["Judge"], parameters.notice_s)
    return [
        ("OpenToken", lambda: deployer.deploy("OpenToken", [treasury, OPEN_SUPPLY])),
        ("AccessManager", lambda: deployer.deploy("AccessManager", [treasury])),
        ("AssetRegistry", lambda: deployer.deploy("AssetRegistry", [parameters.notice_s, parameters.reveal_delay_s])),
        ("Settlement", lambda: deployer.deploy("Settlement", [at["AccessManager"], settled])),
        ("OPEN for the operator", lambda: _give(deployer, token, operator.address, OPERATOR_OPEN)),
        ("OPEN for the payer", lambda: _give(deployer, token, payer.address, PAYER_OPEN)),
        (
            "TimelockController",
            lambda: deployer.deploy("TimelockController", [parameters.timelock_s, [], [ZERO_ADDRESS], treasury]),
        ),
        ("OpenGovernor", lambda: deployer.deploy("OpenGovernor", [token, at["TimelockController"], *votes])),
        ("ServingParameters", lambda: deployer.deploy("ServingParameters", [at["AccessManager"]])),
        ("Judge", lambda: deployer.deploy("Judge", [registry, at["AssetRegistry"], ESCROW])),
        ("Challenges", lambda: deployer.deploy("Challenges", judged)),
    ]


def _handover(deployer: Transactor, at: dict[str, Address]) -> list[_Step]:
    """Only votes govern afterwards: the governor proposes to the timelock, and the deployer keeps no role."""
    timelock, governor = at["TimelockController"], at["OpenGovernor"]
    controller = contract(deployer.web3, "TimelockController", timelock)
    access = contract(deployer.web3, "AccessManager", at["AccessManager"])
    proposer, canceller = keccak(b"PROPOSER_ROLE"), keccak(b"CANCELLER_ROLE")
    return [
        ("the governor proposes", lambda: deployer.call(controller, "grantRole", proposer, governor)),
        ("the governor cancels", lambda: deployer.call(controller, "grantRole", canceller, governor)),
        (
            "the timelock governs itself",
            lambda: deployer.call(controller, "renounceRole", _DEFAULT_ADMIN_ROLE, deployer.address),
        ),
        ("the timelock governs", lambda: deployer.call(access, "grantRole", _ADMIN_ROLE, timelock, 0)),
        ("the deployer leaves", lambda: deployer.call(access, "renounceRole", _ADMIN_ROLE, deployer.address)),
    ]


def _read(web3: Web3, created: dict[str, Address]) -> Deployment:
    for name, address in PREDEPLOYED.items():
        _require_code(web3, name, address)
    registry = to_address(contract(web3, "Settlement", created["Settlement"]).functions.registry().call())
    _require_code(web3, "NodeRegistry", registry)
    vault = to_address(contract(web3, "NodeRegistry", registry).functions.vaultImplementation().call())
    _require_code(web3, "NodeVault", vault)
    return Deployment(
        chain_id=CHAIN_ID,
        genesis_hash=web3.eth.get_block(0)["hash"].to_0x_hex(),
        open_token=created["OpenToken"],
        access_manager=created["AccessManager"],
        node_registry=registry,
        asset_registry=created["AssetRegistry"],
        settlement=created["Settlement"],
        vault_implementation=vault,
        governor=created["OpenGovernor"],
        timelock=created["TimelockController"],
        serving_parameters=created["ServingParameters"],
        challenges=created["Challenges"],
    )


def _created(deployer: Address, nonce: int) -> Address:
    """The address of the contract that the deployer's transaction with this nonce creates (EIP-161)."""
    return to_address("0x" + keccak(rlp.encode([address_bytes(deployer), nonce]))[12:].hex())


def _give(deployer: Transactor, token: Address, to: Address, amount: int) -> None:
    deployer.call(contract(deployer.web3, "OpenToken", token), "transfer", to, amount)


def _require_code(web3: Web3, name: str, address: Address) -> None:
    """Checks that `address` holds the code of the artifact. Bytes that are 0 in the artifact (immutables) may differ.

    Raises TransactionFailed if there is no code, DeploymentOutdated if there is other code.
    """
    expected, code = load(name).runtime, bytes(web3.eth.get_code(to_web3(address)))
    if not code:
        raise TransactionFailed(
            f"no {name} at {address}: account 0 was used before the contracts were deployed; "
            "make a new chain with `python -m node chain reset`"
        )
    if len(code) != len(expected) or any(a and a != b for a, b in zip(expected, code, strict=True)):
        raise DeploymentOutdated.of(name)
