"""Sends transactions from one development account and waits until they are mined."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests
from eth_account import Account
from eth_typing import ChecksumAddress, HexAddress, HexStr
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.exceptions import ContractLogicError, Web3Exception
from web3.types import TxParams, TxReceipt, Wei

from contracts.artifacts import load
from contracts.crypto import Address, PrivateKey, to_address
from contracts.reverts import custom_error
from local_chain.errors import ChainUnreachable, TransactionFailed, WrongChain
from local_chain.genesis import CHAIN_ID

_RECEIPT_TIMEOUT_S = 30
_GAS_MARGIN = 1.2
"""The gas limit per estimated gas. Timestamps and storage change between the estimate and the block."""


def connect(rpc_url: str) -> Web3:
    """A web3.py client of a development chain. Raises ChainUnreachable, or WrongChain if the id is not 31337."""
    web3 = Web3(HTTPProvider(rpc_url, request_kwargs={"timeout": _RECEIPT_TIMEOUT_S}))
    try:
        chain_id = web3.eth.chain_id
    except (requests.RequestException, Web3Exception) as error:
        raise ChainUnreachable.at(rpc_url, error) from error
    if chain_id != CHAIN_ID:
        raise WrongChain.of(rpc_url, chain_id, CHAIN_ID)
    return web3


def contract(web3: Web3, name: str, address: Address) -> Contract:
    """A web3.py binding of the contract at `address`, with the ABI of the artifact `name`."""
    bound: Contract = web3.eth.contract(address=to_web3(address), abi=load(name).abi)
    return bound


def to_web3(address: Address) -> ChecksumAddress:
    """The same address as web3's type."""
    return ChecksumAddress(HexAddress(HexStr(address)))


@dataclass(frozen=True, slots=True)
class Transactor:
    """One account on one chain. Not for concurrent use: each transaction reads its nonce from the chain."""

    web3: Web3
    key: PrivateKey

    @property
    def address(self) -> Address:
        """The address of the account."""
        return self.key.address

    def nonce(self) -> int:
        """The nonce of the next transaction."""
        return self.web3.eth.get_transaction_count(to_web3(self.key.address))

    def deploy(self, name: str, arguments: Sequence[Any]) -> Address:
        """Deploys a contract and returns its address. Raises TransactionFailed."""
        artifact = load(name)
        factory = self.web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        data = factory.constructor(*arguments).data_in_transaction
        receipt = self._send(f"deploying {name}", {"data": data}, artifact.abi)
        created = receipt["contractAddress"]
        assert created is not None
        return to_address(created)

    def call(self, bound: Contract, function: str, *arguments: Any) -> TxReceipt:
        """Calls a function of a contract in a transaction and waits until it is mined.

        Raises TransactionFailed, with the contract's own error if it reverts.
        """
        data = bound.encode_abi(function, args=arguments)
        return self._send(function, {"to": bound.address, "data": data}, bound.abi)

    def pay(self, to: Address, wei: int) -> TxReceipt:
        """Sends ETH and waits until the transaction is mined. Raises TransactionFailed."""
        return self._send("paying", {"to": to_web3(to), "value": Wei(wei)}, ())

    def _send(self, what: str, message: TxParams, abi: Sequence[Any]) -> TxReceipt:
        eth = self.web3.eth
        try:
            gas = eth.estimate_gas({**message, "from": self.key.address})
            base_fee = eth.get_block("pending")["baseFeePerGas"]
            tip = eth.max_priority_fee
            transaction = message | {
                "chainId": CHAIN_ID,
                "nonce": self.nonce(),
                "gas": int(gas * _GAS_MARGIN),
                "maxFeePerGas": 2 * base_fee + tip,
                "maxPriorityFeePerGas": tip,
                "value": message.get("value", Wei(0)),
            }
            signed = Account.sign_transaction(transaction, self.key.secret)
            digest = eth.send_raw_transaction(signed.raw_transaction)
            receipt = eth.wait_for_transaction_receipt(digest, _RECEIPT_TIMEOUT_S, poll_latency=0.02)
        except ContractLogicError as error:
            raise TransactionFailed(f"{what} from {self.key.address} reverts: {error_name(error, abi)}") from error
        except Web3Exception as error:
            raise TransactionFailed(f"{what} from {self.key.address} failed: {error}") from error
        if receipt["status"] != 1:
            raise TransactionFailed(f"{what} from {self.key.address} was mined but reverted ({digest.to_0x_hex()})")
        return receipt


def error_name(error: ContractLogicError, abi: Sequence[Any]) -> str:
    """The custom error in the revert data with its values, as in Solidity, or else the client's message.

    `abi` lists the errors of the contract that was called.
    """
    if isinstance(error.data, str):
        text = custom_error(bytes.fromhex(error.data.removeprefix("0x")), abi)
        if text is not None:
            return text
    return str(error.message)
