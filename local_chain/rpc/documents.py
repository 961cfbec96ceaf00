"""Blocks, transactions, receipts and logs as JSON-RPC documents: camelCase keys, hex quantities, 0x-prefixed bytes."""

from collections.abc import Sequence

import rlp  # type: ignore[import-untyped]  # rlp ships no types
from eth._utils.address import generate_contract_address
from eth.abc import BlockHeaderAPI, ReceiptAPI, SignedTransactionAPI
from eth.vm.forks.prague.blocks import PragueBlockHeader

from contracts.crypto import to_address
from local_chain.genesis import CHAIN_ID
from local_chain.pyevm.chain import base_fee
from local_chain.pyevm.database import LogRow
from local_chain.rpc.errors import Json


def number(value: int) -> str:
    """A quantity: 0x-prefixed hex without leading zeros."""
    return hex(value)


def hex_bytes(value: bytes) -> str:
    """Bytes: 0x-prefixed hex, two digits per byte."""
    return "0x" + value.hex()


def address(value: bytes) -> str | None:
    """The checksummed address; None for empty bytes, which mark a deployment."""
    return to_address("0x" + value.hex()) if value else None


def block(
    header: BlockHeaderAPI, transactions: Sequence[SignedTransactionAPI], *, full: bool, pending: bool = False
) -> dict[str, Json]:
    """A block with its transactions: `full` documents, or hashes. A `pending` block has no hash and no nonce."""
    assert isinstance(header, PragueBlockHeader)
    assert header.withdrawals_root is not None
    assert header.parent_beacon_block_root is not None
    hashes: list[Json] = [hex_bytes(item.hash) for item in transactions]
    documents: list[Json] = [transaction(item, header, index) for index, item in enumerate(transactions)]
    return {
        "number": number(header.block_number),
        "hash": None if pending else hex_bytes(header.hash),
        "parentHash": hex_bytes(header.parent_hash),
        "nonce": None if pending else hex_bytes(header.nonce),
        "sha3Uncles": hex_bytes(header.uncles_hash),
        "logsBloom": hex_bytes(header.bloom.to_bytes(256)),
        "transactionsRoot": hex_bytes(header.transaction_root),
        "stateRoot": hex_bytes(header.state_root),
        "receiptsRoot": hex_bytes(header.receipt_root),
        "miner": address(header.coinbase),
        "difficulty": number(header.difficulty),
        "extraData": hex_bytes(header.extra_data),
        "size": number(len(rlp.encode(header)) + sum(len(item.encode()) for item in transactions)),
        "gasLimit": number(header.gas_limit),
        "gasUsed": number(header.gas_used),
        "timestamp": number(header.timestamp),
        "mixHash": hex_bytes(header.mix_hash),
        "baseFeePerGas": number(base_fee(header)),
        "withdrawalsRoot": hex_bytes(header.withdrawals_root),
        "withdrawals": [],
        "blobGasUsed": number(header.blob_gas_used),
        "excessBlobGas": number(header.excess_blob_gas or 0),
        "parentBeaconBlockRoot": hex_bytes(header.parent_beacon_block_root),
        "requestsHash": hex_bytes(header.requests_hash),
        "uncles": [],
        "transactions": documents if full else hashes,
    }


def transaction(item: SignedTransactionAPI, header: BlockHeaderAPI, index: int) -> dict[str, Json]:
    """A mined transaction at `index` of the block of `header`."""
    kind = item.type_id or 0
    document: dict[str, Json] = {
        "hash": hex_bytes(item.hash),
        "type": number(kind),
        "chainId": number(CHAIN_ID),
        "nonce": number(item.nonce),
        "from": address(item.sender),
        "to": address(item.to),
        "value": number(item.value),
        "gas": number(item.gas),
        "gasPrice": number(_gas_price(item, header)),
        "input": hex_bytes(item.data),
        "r": number(item.r),
        "s": number(item.s),
        "v": number(item.y_parity if kind else _legacy_v(item)),
        "blockHash": hex_bytes(header.hash),
        "blockNumber": number(header.block_number),
        "transactionIndex": number(index),
    }
    if kind:
        document["yParity"] = number(item.y_parity)
        document["accessList"] = [
            {"address": address(account), "storageKeys": [hex_bytes(slot.to_bytes(32)) for slot in slots]}
            for account, slots in item.access_list
        ]
    if kind == 2:
        document["maxFeePerGas"] = number(item.max_fee_per_gas)
        document["maxPriorityFeePerGas"] = number(item.max_priority_fee_per_gas)
    return document


def receipt(
    item: SignedTransactionAPI,
    header: BlockHeaderAPI,
    receipts: Sequence[ReceiptAPI],
    index: int,
    logs: Sequence[LogRow],
) -> dict[str, Json]:
    """The receipt of the transaction at `index` of the block of `header`.

    `receipts` and `logs` are those of the whole block: py-evm's gas is cumulative, and log indexes count per block.
    """
    own = receipts[index]
    before = receipts[index - 1].gas_used if index else 0
    created = None if item.to else address(generate_contract_address(item.sender, item.nonce))
    return {
        "type": number(item.type_id or 0),
        "status": number(int.from_bytes(own.state_root)),
        "cumulativeGasUsed": number(own.gas_used),
        "gasUsed": number(own.gas_used - before),
        "effectiveGasPrice": number(_gas_price(item, header)),
        "logs": [log(row) for row in logs if row.transaction_index == index],
        "logsBloom": hex_bytes(own.bloom.to_bytes(256)),
        "transactionHash": hex_bytes(item.hash),
        "transactionIndex": number(index),
        "blockHash": hex_bytes(header.hash),
        "blockNumber": number(header.block_number),
        "from": address(item.sender),
        "to": address(item.to),
        "contractAddress": created,
    }


def log(row: LogRow) -> dict[str, Json]:
    """An event log."""
    return {
        "address": address(row.address),
        "topics": [hex_bytes(topic) for topic in row.topic_words()],
        "data": hex_bytes(row.data),
        "blockNumber": number(row.block),
        "blockHash": hex_bytes(row.block_hash),
        "blockTimestamp": number(row.timestamp),
        "transactionHash": hex_bytes(row.transaction_hash),
        "transactionIndex": number(row.transaction_index),
        "logIndex": number(row.position),
        "removed": False,
    }


def _gas_price(item: SignedTransactionAPI, header: BlockHeaderAPI) -> int:
    """The price that the sender paid per unit of gas, in wei (EIP-1559)."""
    return min(item.max_fee_per_gas, base_fee(header) + item.max_priority_fee_per_gas)


def _legacy_v(item: SignedTransactionAPI) -> int:
    """The v of an untyped transaction, which includes the chain id (EIP-155)."""
    return item.y_parity + 35 + 2 * CHAIN_ID
