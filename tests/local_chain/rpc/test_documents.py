"""The JSON documents of JSON-RPC: quantities, bytes, transactions of every type, receipts and logs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_chain.genesis import CHAIN_ID
from local_chain.pyevm.chain import PyevmChain
from local_chain.pyevm.database import LogRow
from local_chain.rpc import documents
from tests.local_chain.engines import OWNER, PAYER
from tests.local_chain.payments import payment

FEES = {"maxFeePerGas": None, "maxPriorityFeePerGas": None, "gasPrice": 3 * 10**9}


@given(st.integers(0, 2**256 - 1), st.binary(max_size=40))
def test_quantities_have_no_leading_zeros_and_bytes_keep_theirs(value: int, data: bytes) -> None:
    assert int(documents.number(value), 16) == value
    assert not documents.number(value).startswith("0x0") or value == 0
    assert bytes.fromhex(documents.hex_bytes(data)[2:]) == data


def test_an_address_is_checksummed_and_a_deployment_has_none() -> None:
    assert documents.address(bytes.fromhex(PAYER.address[2:])) == PAYER.address
    assert documents.address(b"") is None


@pytest.mark.parametrize(
    ("changes", "kind", "only"),
    [
        (FEES, 0, set()),
        (FEES | {"accessList": [{"address": OWNER.address, "storageKeys": ["0x" + "00" * 32]}]}, 1, {"yParity"}),
        ({}, 2, {"yParity", "maxFeePerGas"}),
    ],
)
def test_a_transaction_has_the_fields_of_its_type(
    pyevm: PyevmChain, changes: dict[str, object], kind: int, only: set[str]
) -> None:
    if kind == 1:
        changes = changes | {"gas": 30_000}
    pyevm.send(payment(0, **changes))
    (item,) = pyevm.transactions(pyevm.head)

    document = documents.transaction(item, pyevm.head, 0)

    assert document["type"] == hex(kind)
    assert (document["from"], document["to"], document["chainId"]) == (PAYER.address, OWNER.address, hex(CHAIN_ID))
    assert {"yParity", "maxFeePerGas"} & set(document) == only
    assert document.get("accessList", []) == changes.get("accessList", [])
    assert document["v"] in ((hex(2 * CHAIN_ID + 35), hex(2 * CHAIN_ID + 36)) if kind == 0 else ("0x0", "0x1"))


def test_a_receipt_tells_the_gas_of_its_own_transaction_and_the_contract_it_created(pyevm: PyevmChain) -> None:
    pyevm.send(payment(0, to=None, gas=100_000, data=b"\x00", value=0))
    head, (item,), receipts = pyevm.head, pyevm.transactions(pyevm.head), pyevm.receipts(pyevm.head)

    document = documents.receipt(item, head, receipts, 0, [])

    assert document["status"] == "0x1"
    assert document["gasUsed"] == document["cumulativeGasUsed"] == hex(head.gas_used)
    assert document["to"] is None
    assert isinstance(document["contractAddress"], str)
    assert document["logs"] == []


def test_a_receipt_holds_the_logs_of_its_transaction_only(pyevm: PyevmChain) -> None:
    pyevm.send(payment(0))
    (item,), receipts = pyevm.transactions(pyevm.head), pyevm.receipts(pyevm.head)
    rows = [LogRow(1, position, position, bytes(32), bytes(32), 7, bytes(20), b"t" * 64, b"d") for position in (0, 1)]

    document = documents.receipt(item, pyevm.head, receipts, 0, rows)

    assert document["logs"] == [documents.log(rows[0])]


def test_a_log_is_shown_with_its_place() -> None:
    row = LogRow(5, 2, 1, b"\xaa" * 32, b"\xbb" * 32, 1_800_000_000, b"\x11" * 20, b"\xcc" * 64, b"\x01\x02")

    assert documents.log(row) == {
        "address": "0x" + "11" * 20,
        "topics": ["0x" + "cc" * 32] * 2,
        "data": "0x0102",
        "blockNumber": "0x5",
        "blockHash": "0x" + "bb" * 32,
        "blockTimestamp": "0x6b49d200",
        "transactionHash": "0x" + "aa" * 32,
        "transactionIndex": "0x1",
        "logIndex": "0x2",
        "removed": False,
    }
