"""Methods that read: blocks, accounts, transactions, receipts, logs, fees."""

from dataclasses import dataclass

from eth.abc import BlockHeaderAPI, StateAPI
from eth_typing import Address as RawAddress

from local_chain.pyevm.chain import PyevmChain, base_fee
from local_chain.pyevm.database import LogRow
from local_chain.rpc import documents, params
from local_chain.rpc.documents import hex_bytes, number
from local_chain.rpc.errors import SERVER_ERROR, InvalidParams, Json, RpcError
from local_chain.rpc.params import optional, required

TIP_WEI = 1_000_000_000
"""The priority fee that this chain suggests. It mines every transaction that covers the base fee."""
_MAX_HISTORY = 1024


@dataclass(frozen=True, slots=True)
class Reads:
    """Answers from the blocks of one chain. Methods with the argument `p` take positional JSON-RPC parameters."""

    chain: PyevmChain

    def find_header(self, name: params.BlockName) -> BlockHeaderAPI | None:
        """The header of a block; None if there is no such block."""
        if isinstance(name, bytes):
            return self.chain.header_by_hash(name)
        if isinstance(name, int):
            return self.chain.header(name)
        return self.chain.header(0) if name == "earliest" else self.chain.head

    def header(self, name: params.BlockName) -> BlockHeaderAPI:
        """The header of a block. Raises RpcError if there is no such block."""
        header = self.find_header(name)
        if header is None:
            raise RpcError(SERVER_ERROR, "block not found: this chain has no such block")
        return header

    def _state(self, name: Json) -> StateAPI:
        return self.chain.state(self.header(params.block_name(name)))

    def balance(self, p: list[Json]) -> Json:
        """eth_getBalance: the balance of an account after a block, in wei."""
        return number(self._state(optional(p, 1)).get_balance(_account(p)))

    def nonce(self, p: list[Json]) -> Json:
        """eth_getTransactionCount: the nonce of an account after a block."""
        return number(self._state(optional(p, 1)).get_nonce(_account(p)))

    def code(self, p: list[Json]) -> Json:
        """eth_getCode: the code of an account after a block."""
        return hex_bytes(self._state(optional(p, 1)).get_code(_account(p)))

    def storage(self, p: list[Json]) -> Json:
        """eth_getStorageAt: a storage word of an account after a block."""
        slot = params.quantity(required(p, 1), "slot")
        return hex_bytes(self._state(optional(p, 2)).get_storage(_account(p), slot).to_bytes(32))

    def block_by_number(self, p: list[Json]) -> Json:
        """eth_getBlockByNumber: a block; null if there is none."""
        return self._block(params.block_name(required(p, 0)), full=_full(p))

    def block_by_hash(self, p: list[Json]) -> Json:
        """eth_getBlockByHash: a block; null if there is none."""
        return self._block(params.word(required(p, 0), "blockHash"), full=_full(p))

    def _block(self, name: params.BlockName, *, full: bool) -> Json:
        if name == "pending":
            return documents.block(self.chain.next_header(), (), full=full, pending=True)
        header = self.find_header(name)
        return None if header is None else documents.block(header, self.chain.transactions(header), full=full)

    def block_receipts(self, p: list[Json]) -> Json:
        """eth_getBlockReceipts: the receipts of a block, named by number, tag or hash; null if there is none."""
        value = required(p, 0)
        is_hash = isinstance(value, str) and len(value) == 66
        header = self.find_header(params.word(value, "block") if is_hash else params.block_name(value))
        return None if header is None else self._receipts(header)

    def _receipts(self, header: BlockHeaderAPI) -> list[Json]:
        receipts = self.chain.receipts(header)
        logs = self.chain.logs(header.block_number, header.block_number, [])
        return [
            documents.receipt(item, header, receipts, index, logs)
            for index, item in enumerate(self.chain.transactions(header))
        ]

    def transaction(self, p: list[Json]) -> Json:
        """eth_getTransactionByHash: a mined transaction; null if it is unknown."""
        mined = self.chain.find(params.word(required(p, 0), "transactionHash"))
        if mined is None:
            return None
        header, index = mined
        return documents.transaction(self.chain.transactions(header)[index], header, index)

    def receipt(self, p: list[Json]) -> Json:
        """eth_getTransactionReceipt: the receipt of a mined transaction; null if it is unknown."""
        mined = self.chain.find(params.word(required(p, 0), "transactionHash"))
        if mined is None:
            return None
        header, index = mined
        return self._receipts(header)[index]

    def logs(self, p: list[Json]) -> Json:
        """eth_getLogs: the logs that a filter selects, in chain order."""
        wanted = params.log_filter(required(p, 0))
        rows: list[LogRow] = []
        first, last = self._log_bound(wanted.first), self._log_bound(wanted.last)
        if first <= last:
            rows = self.chain.logs(first, last, wanted.addresses)
        return [documents.log(row) for row in rows if wanted.accepts(row.topic_words())]

    def _log_bound(self, name: params.BlockName) -> int:
        """The number of a block. A number past the head is kept, because a range may end in the future."""
        return name if isinstance(name, int) else self.header(name).block_number

    def gas_price(self, _: list[Json]) -> Json:
        """eth_gasPrice: the base fee of the next block plus `TIP_WEI`."""
        return number(base_fee(self.chain.next_header()) + TIP_WEI)

    def fee_history(self, p: list[Json]) -> Json:
        """eth_feeHistory: base fees and gas used of up to 1,024 blocks. Every reward is `TIP_WEI`."""
        count = params.quantity(required(p, 0), "blockCount")
        newest = self.header(params.block_name(required(p, 1))).block_number
        percentiles = optional(p, 2) or []
        if not isinstance(percentiles, list) or not 1 <= count <= _MAX_HISTORY:
            raise InvalidParams(f"blockCount must be 1 to {_MAX_HISTORY} and rewardPercentiles a list")
        headers = [self.header(index) for index in range(max(0, newest - count + 1), newest + 1)]
        following = self.find_header(newest + 1) or self.chain.next_header()
        fees: list[Json] = [number(base_fee(header)) for header in [*headers, following]]
        ratios: list[Json] = [header.gas_used / header.gas_limit for header in headers]
        tips: list[Json] = [number(TIP_WEI)] * len(percentiles)
        return {
            "oldestBlock": number(headers[0].block_number),
            "baseFeePerGas": fees,
            "gasUsedRatio": ratios,
            "reward": [list(tips) for _ in headers],
        }


def _account(p: list[Json]) -> RawAddress:
    return params.address(required(p, 0))


def _full(p: list[Json]) -> bool:
    value = optional(p, 1)
    return False if value is None else params.flag(value, "full transactions")
