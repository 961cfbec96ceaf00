"""A chain whose challenge windows are an hour, as on a public chain, and whose time passes when a test says so."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import HTTPProvider, Web3
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
from local_chain.transactor import Transactor, contract, error_name, to_web3
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
        self.ask("evm_increaseTime", seconds)
        self.ask("evm_mine")

    def ask(self, method: str, *values: object) -> Any:
        """The result of any JSON-RPC method."""
        answer = self.web3.provider.make_request(method, list(values))  # type: ignore[arg-type]  # also unknown to web3
        assert "error" not in answer, answer
        return answer["result"]

    @contextmanager
    def mining_by_hand(self) -> Iterator[None]:
        """On anvil: transactions stay in the mempool until `ask("evm_mine")`, and blocks hold many of them."""
        self.ask("evm_setAutomine", False)
        try:
            yield
        finally:
            self.ask("evm_setAutomine", True)
            self.ask("evm_mine")

    def pending(self, to: Address) -> list[dict[str, Any]]:
        """The transactions to a contract in anvil's mempool."""
        waiting = self.ask("txpool_content")["pending"].values()
        return [one for by_nonce in waiting for one in by_nonce.values() if int(one["to"], 16) == int(to, 16)]

    def read(self, name: str, address: Address, function: str, *values: object) -> Any:
        """What a contract answers now."""
        return contract(self.web3, name, address).functions[function](*values).call()

    def send(
        self, key: PrivateKey, name: str, address: Address, function: str, *values: object, wei: int = 0
    ) -> TxReceipt:
        """Sends a transaction to a contract and waits until it is mined. Raises Refused."""
        mined = self.broadcast(self.signed(key, name, address, function, *values, wei=wei))
        if mined["status"] != 1:
            called = contract(self.web3, name, address)
            try:
                called.functions[function](*values).call({"from": to_web3(key.address), "value": Wei(wei)})
            except ContractLogicError as error:
                raise Refused(error_name(error, called.abi)) from error
            raise Refused(f"{function} was mined, and reverted")
        return mined

    def signed(
        self, key: PrivateKey, name: str, address: Address, function: str, *values: object, wei: int = 0, after: int = 0
    ) -> bytes:
        """A signed transaction to a contract. after: how many of the same key come before it and are not mined yet."""
        data = contract(self.web3, name, address).encode_abi(function, args=values)
        return self.signed_data(key, address, data, wei=wei, after=after)

    def signed_data(
        self, key: PrivateKey, address: Address, data: str, *, wei: int = 0, after: int = 0, tip_gwei: int = 1
    ) -> bytes:
        """A signed transaction with encoded calldata (0x hex)."""
        message = {
            "chainId": CHAIN_ID,
            "to": to_web3(address),
            "data": data,
            "nonce": self.web3.eth.get_transaction_count(to_web3(key.address)) + after,
            "value": wei,
            "gas": _GAS,
            "maxFeePerGas": (20 + tip_gwei) * _GWEI,
            "maxPriorityFeePerGas": tip_gwei * _GWEI,
        }
        return bytes(Account.sign_transaction(message, key.secret).raw_transaction)

    def broadcast(self, raw: bytes) -> TxReceipt:
        """Sends a signed transaction, whoever signed it."""
        digest = self.web3.eth.send_raw_transaction(raw)
        return self.web3.eth.wait_for_transaction_receipt(digest, 30, poll_latency=0.02)

    def pay(self, account: Address, wei: int = WALLET_WEI) -> None:
        """Gives an account coins for gas and bonds."""
        Transactor(self.web3, dev_accounts()[2]).pay(account, wei)

    def give(self, account: Address, wei: int = WALLET_WEI) -> None:
        """On anvil, while mining by hand: coins without a transaction."""
        self.ask("anvil_setBalance", account, hex(wei))

    # ---- demands ---------------------------------------------------------------------------------------------------

    def demand_leaf(self, key: PrivateKey, header: BatchHeader, index: int) -> None:
        """Demands a leaf with the bond that is due now."""
        self._demand(key, header, KIND_LEAF, "demandLeaf", index)

    def demand_payee(self, key: PrivateKey, header: BatchHeader, payee: Payee) -> None:
        """Demands a payee with the bond that is due now."""
        self._demand(key, header, KIND_PAYEE, "demandPayee", int(payee.kind), payee.id)

    def demands(self, key: PrivateKey, header: BatchHeader, leaves: Sequence[int], payees: Sequence[Payee]) -> None:
        """On anvil, while mining by hand: many demands in one block. Each sends more than its bond."""
        justified = [("demandLeaf", (header.abi_tuple(), index)) for index in leaves]
        shown = [("demandPayee", (header.abi_tuple(), int(payee.kind), payee.id)) for payee in payees]
        to, wei = ("Challenges", self.deployment.challenges), WALLET_WEI // 100
        for after, (function, values) in enumerate([*justified, *shown]):
            self.web3.eth.send_raw_transaction(self.signed(key, *to, function, *values, wei=wei, after=after))
        self.ask("evm_mine")

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
        deployment = deploy(backend.rpc_url, DevParameters(challenge_window_s=WINDOW_S))
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
        yield AttackedChain(backend.rpc_url, _connected(backend.rpc_url), deployment, seeded)
    finally:
        backend.stop()


def _connected(rpc_url: str) -> Web3:
    """A client with a connection per request: a kept one may be closed by the chain while a test waits."""
    headers = {"Content-Type": "application/json", "Connection": "close"}
    return Web3(HTTPProvider(rpc_url, request_kwargs={"timeout": 60, "headers": headers}))
