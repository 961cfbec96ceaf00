"""Shared by the tests of both engines: web3.py on a running chain, raw transactions and raw JSON-RPC."""

from dataclasses import dataclass, field
from typing import Any

import httpx2
from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.contract import Contract

from contracts.crypto import PrivateKey
from local_chain.accounts import dev_accounts
from local_chain.deployment import Deployment
from local_chain.genesis import CHAIN_ID
from local_chain.transactor import Transactor, contract

DEPLOYER, OPERATOR, PAYER, OWNER = dev_accounts()[:4]


@dataclass(slots=True)
class Chain:
    """A running chain under test."""

    rpc_url: str
    deployment: Deployment
    web3: Web3 = field(init=False)

    def __post_init__(self) -> None:
        self.web3 = Web3(HTTPProvider(self.rpc_url))

    def token(self) -> Contract:
        return contract(self.web3, "OpenToken", self.deployment.open_token)

    def transactor(self, key: PrivateKey) -> Transactor:
        return Transactor(self.web3, key)

    def transfer(self, key: PrivateKey, to: str, amount: int) -> Any:
        return self.transactor(key).call(self.token(), "transfer", to, amount)

    def signed(self, key: PrivateKey, **changes: Any) -> bytes:
        """A raw transaction that pays 1 wei to the deployer, with any field changed."""
        return signed(self.web3, key, **changes)

    def post(self, document: Any) -> Any:
        return post(self.rpc_url, document)

    def rpc(self, method: str, *params: Any) -> Any:
        """The JSON-RPC answer to one call, result or error."""
        return self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})


def signed(web3: Web3, key: PrivateKey, **changes: Any) -> bytes:
    transaction = {
        "chainId": CHAIN_ID,
        "nonce": web3.eth.get_transaction_count(key.address),
        "to": DEPLOYER.address,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 3 * 10**9,
        "maxPriorityFeePerGas": 10**9,
    } | changes
    present = {name: value for name, value in transaction.items() if value is not None}
    return bytes(Account.sign_transaction(present, key.secret).raw_transaction)


def post(rpc_url: str, document: Any) -> Any:
    return httpx2.post(rpc_url, json=document, timeout=30).json()
