"""The table of JSON-RPC methods of the py-evm engine."""

from collections.abc import Callable, Mapping
from importlib.metadata import version

from contracts.crypto import keccak
from local_chain.accounts import dev_accounts
from local_chain.genesis import CHAIN_ID
from local_chain.pyevm.chain import PyevmChain
from local_chain.rpc import params
from local_chain.rpc.documents import hex_bytes, number
from local_chain.rpc.errors import METHOD_NOT_FOUND, Json, RpcError
from local_chain.rpc.reads import TIP_WEI, Reads
from local_chain.rpc.runs import Runs

_Method = Callable[[list[Json]], Json]


class Methods:
    """Every method that this chain answers. One thread at a time."""

    def __init__(self, chain: PyevmChain) -> None:
        reads = Reads(chain)
        self._table: Mapping[str, _Method] = _constants() | _reads(reads) | _runs(Runs(chain, reads))

    def call(self, method: str, arguments: list[Json]) -> Json:
        """The result of a method. Raises RpcError, with code -32601 for an unknown method."""
        if method not in self._table:
            raise RpcError(METHOD_NOT_FOUND, f"the method {method[:100]} does not exist or is not available")
        return self._table[method](arguments)


def _constants() -> dict[str, _Method]:
    return {
        "web3_clientVersion": lambda _: f"openlora-local-chain/py-evm-{version('py-evm')}",
        "web3_sha3": lambda p: hex_bytes(keccak(params.data(params.required(p, 0), "data"))),
        "net_version": lambda _: str(CHAIN_ID),
        "net_listening": lambda _: True,
        "eth_chainId": lambda _: number(CHAIN_ID),
        "eth_syncing": lambda _: False,
        "eth_accounts": lambda _: [key.address for key in dev_accounts()],
        "eth_maxPriorityFeePerGas": lambda _: number(TIP_WEI),
    }


def _reads(reads: Reads) -> dict[str, _Method]:
    return {
        "eth_blockNumber": lambda _: number(reads.chain.head.block_number),
        "eth_gasPrice": reads.gas_price,
        "eth_feeHistory": reads.fee_history,
        "eth_getBalance": reads.balance,
        "eth_getTransactionCount": reads.nonce,
        "eth_getCode": reads.code,
        "eth_getStorageAt": reads.storage,
        "eth_getBlockByNumber": reads.block_by_number,
        "eth_getBlockByHash": reads.block_by_hash,
        "eth_getBlockReceipts": reads.block_receipts,
        "eth_getTransactionByHash": reads.transaction,
        "eth_getTransactionReceipt": reads.receipt,
        "eth_getLogs": reads.logs,
    }


def _runs(runs: Runs) -> dict[str, _Method]:
    return {
        "eth_call": runs.call,
        "eth_estimateGas": runs.estimate,
        "eth_sendRawTransaction": runs.send,
        "evm_mine": runs.mine,
        "evm_increaseTime": runs.increase_time,
    }
