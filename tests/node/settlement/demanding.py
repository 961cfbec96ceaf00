"""A challenger on a real chain: it demands leaves and payees of posted headers, and lets demands expire."""

from eth_account import Account

from attribution.split import Payee
from contracts.crypto import PrivateKey
from contracts.structs import BatchHeader
from local_chain.accounts import dev_accounts
from local_chain.transactor import Transactor, contract
from tests.node.settlement.market import CHAIN_ID, Town

WEI = 10**18


class Challenger:
    """An account with coin that demands with the bond that the contract asks for."""

    def __init__(self, town: Town) -> None:
        self.key = PrivateKey.generate()
        Transactor(town.web3, dev_accounts()[2]).pay(self.key.address, 100 * WEI)
        self._web3, self._sender = town.web3, Transactor(town.web3, self.key)
        self._challenges = contract(town.web3, "Challenges", town.chain.deployment.challenges)

    def demand_leaf(self, header: BatchHeader, index: int) -> None:
        self._bonded(header, 0, "demandLeaf", header.abi_tuple(), index)

    def demand_payee(self, header: BatchHeader, payee: Payee) -> None:
        self._bonded(header, 1, "demandPayee", header.abi_tuple(), payee.kind, payee.id)

    def expire(self, header: BatchHeader, kind: int, item: bytes) -> None:
        self._sender.call(self._challenges, "expire", header.node, header.epoch, kind, item)

    def _bonded(self, header: BatchHeader, kind: int, function: str, *values: object) -> None:
        bond = self._challenges.functions.bondOf(kind, header.node, header.epoch).call()
        message = {
            "to": self._challenges.address,
            "data": self._challenges.encode_abi(function, args=values),
            "value": 2 * bond,  # what exceeds the bond comes back
            "gas": 500_000,
            "nonce": self._sender.nonce(),
            "chainId": CHAIN_ID,
            "maxFeePerGas": 10 * 10**9,
            "maxPriorityFeePerGas": 10**9,
        }
        signed = Account.sign_transaction(message, self.key.secret)
        digest = self._web3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = self._web3.eth.wait_for_transaction_receipt(digest, 30, poll_latency=0.02)
        assert receipt["status"] == 1, f"{function} reverted"
