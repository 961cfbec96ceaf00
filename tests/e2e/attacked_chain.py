"""A chain whose challenge windows are an hour, as on a public chain, and whose time passes when a test says so."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import Web3
from web3.exceptions import ContractLogicError
from web3.types import TxReceipt, Wei

from attribution.split import Payee
from contracts.crypto import Address, Bytes32, PrivateKey, keccak
from contracts.structs import BatchHeader
from local_chain.accounts import dev_accounts
from local_chain.anvil import AnvilBackend
from local_chain.backend import ChainBackend, Engine
from local_chain.deploy import DevParameters, deploy
from local_chain.deployment import Deployment
from local_chain.embedded import PyevmBackend
from local_chain.genesis import CHAIN_ID
from local_chain.transactor import Transactor, connect, contract, error_name, to_web3
from node.dev.assets import starter_adapters, starter_datanets
from node.dev.seed import Seeded, seed
from node.dev.starter import pack
from node.home.deployment_file import write_deployment
from node.home.keystore import Keystores
from tests.contracts.docket import KIND_LEAF, KIND_PAYEE

WINDOW_S = 3_600
DAY_S = 86_400
WALLET_WEI = 10 * 10**18
PASSWORD = "correct horse"
BASE = keccak(b"base weights")
_GAS = 3_000_000
_GWEI = 10**9


class Refused(Exception):
    """A transaction reverts. The message is the contract's error with its values."""


@dataclass(frozen=True, slots=True)
class AttackedChain:
    """A running chain with the contracts and the assets of the starter pack."""

    rpc_url: str
    web3: Web3
    deployment: Deployment
    seeded: Seeded

    @property
    def now(self) -> int:
        """The time of the newest block, in unix seconds."""
        return self.web3.eth.get_block("latest")["timestamp"]

    def pass_time(self, seconds: int) -> None:
        """Moves the clock of the chain."""
        for method, values in (("evm_increaseTime", [seconds]), ("evm_mine", [])):
            self.web3.provider.make_request(method, values)  # type: ignore[arg-type]  # not among web3's names

    def read(self, name: str, address: Address, function: str, *values: object) -> Any:
        """What a contract answers now."""
        return contract(self.web3, name, address).functions[function](*values).call()

    def send(
        self, key: PrivateKey, name: str, address: Address, function: str, *values: object, wei: int = 0
    ) -> TxReceipt:
        """Sends a transaction to a contract and waits until it is mined. Raises Refused."""
        called = contract(self.web3, name, address)
        message: Any = {
            "chainId": CHAIN_ID,
            "from": to_web3(key.address),
            "nonce": self.web3.eth.get_transaction_count(to_web3(key.address)),
            "value": Wei(wei),
            "gas": _GAS,
            "maxFeePerGas": 20 * _GWEI,
            "maxPriorityFeePerGas": _GWEI,
        }
        made = called.functions[function](*values).build_transaction(message)
        mined = self.broadcast(bytes(Account.sign_transaction(made, key.secret).raw_transaction))
        if mined["status"] != 1:
            try:
                called.functions[function](*values).call({"from": to_web3(key.address), "value": Wei(wei)})
            except ContractLogicError as error:
                raise Refused(error_name(error, called.abi)) from error
            raise Refused(f"{function} was mined, and reverted")
        return mined

    def broadcast(self, raw: bytes) -> TxReceipt:
        """Sends a signed transaction, whoever signed it."""
        digest = self.web3.eth.send_raw_transaction(raw)
        return self.web3.eth.wait_for_transaction_receipt(digest, 30, poll_latency=0.02)

    def pay(self, account: Address, wei: int = WALLET_WEI) -> None:
        """Gives an account coins for gas and bonds."""
        Transactor(self.web3, dev_accounts()[2]).pay(account, wei)

    # ---- demands ---------------------------------------------------------------------------------------------------

    def demand_leaf(self, key: PrivateKey, header: BatchHeader, index: int) -> None:
        """Demands a leaf with the bond that is due now."""
        self._demand(key, header, KIND_LEAF, "demandLeaf", index)

    def demand_payee(self, key: PrivateKey, header: BatchHeader, payee: Payee) -> None:
        """Demands a payee with the bond that is due now."""
        self._demand(key, header, KIND_PAYEE, "demandPayee", int(payee.kind), payee.id)

    def _demand(self, key: PrivateKey, header: BatchHeader, kind: int, function: str, *item: object) -> None:
        challenges = self.deployment.challenges
        bond = self.read("Challenges", challenges, "bondOf", kind, header.node, header.epoch)
        self.send(key, "Challenges", challenges, function, header.abi_tuple(), *item, wei=bond)

    def open_demands(self, node: Address, epoch: int) -> int:
        """How many demands on a header nobody has answered."""
        return int(self.read("Challenges", self.deployment.challenges, "openDemands", node, epoch))

    # ---- homes -----------------------------------------------------------------------------------------------------

    def home(self, home: Path, key: PrivateKey, setting: str = "account") -> Path:
        """A home on this chain with one funded keystore, which `setting` names: account or operator_account."""
        Keystores(home / "keystores", scrypt_n=2).add(setting, key, PASSWORD)
        (home / "password").write_text(PASSWORD + "\n")
        secret = "password_file" if setting == "account" else "operator_password_file"
        settings = {setting: setting, secret: home / "password", "chain_rpc": self.rpc_url}
        (home / "node.toml").write_text("".join(f'{name} = "{value}"\n' for name, value in settings.items()))
        write_deployment(home, self.deployment)
        self.pay(key.address)
        return home


@contextmanager
def attacked_chain(
    home: Path,
    engine: Engine = "pyevm",
    *,
    base: Bytes32 = BASE,
    digests: Mapping[str, Bytes32] | None = None,
) -> Iterator[AttackedChain]:
    """A new chain. digests: of the adapters to register, by name; by default one adapter with a made-up digest."""
    home.mkdir(parents=True)
    backend: ChainBackend = PyevmBackend(home) if engine == "pyevm" else AnvilBackend(home)
    backend.start(0)
    try:
        deployment = deploy(backend.rpc_url, DevParameters(activation_delay_s=WINDOW_S))
        starter, accounts = pack(), dev_accounts()
        named = digests or {starter.adapters[0].name: keccak(b"adapter weights")}
        count = len(named)
        seeded = seed(
            backend.rpc_url,
            deployment,
            base_digest=base,
            adapters=starter_adapters(starter, accounts, {a.name: named.get(a.name, BASE) for a in starter.adapters})[
                :count
            ],
            datanets=starter_datanets(starter, accounts)[:count],
        )
        yield AttackedChain(backend.rpc_url, connect(backend.rpc_url), deployment, seeded)
    finally:
        backend.stop()
