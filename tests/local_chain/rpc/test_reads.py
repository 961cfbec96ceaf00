"""Reads of a py-evm chain: accounts, blocks and fees, at any block."""

import pytest

from local_chain.genesis import DEV_BALANCE_WEI, GAS_LIMIT, PREDEPLOYED, predeployed_code
from local_chain.pyevm.chain import PyevmChain
from local_chain.rpc.errors import InvalidParams, RpcError
from local_chain.rpc.reads import TIP_WEI, Reads
from tests.local_chain.engines import OWNER, PAYER
from tests.local_chain.payments import payment


@pytest.fixture
def reads(pyevm: PyevmChain) -> Reads:
    return Reads(pyevm)


def test_accounts_are_read_after_the_block_that_is_named(reads: Reads) -> None:
    reads.chain.send(payment(0))

    assert reads.nonce([PAYER.address, "latest"]) == "0x1"
    assert reads.nonce([PAYER.address, "0x0"]) == "0x0"
    assert reads.balance([OWNER.address]) == hex(DEV_BALANCE_WEI + 1)
    assert reads.balance([OWNER.address, "earliest"]) == hex(DEV_BALANCE_WEI)


def test_code_and_storage_are_read(reads: Reads) -> None:
    for address, code in predeployed_code().items():
        assert reads.code([address]) == "0x" + code.hex()
    assert reads.code([OWNER.address]) == "0x"
    assert reads.storage([PREDEPLOYED["ChannelEscrow"], "0x0"]) == "0x" + "00" * 32


def test_a_block_is_the_same_by_number_and_by_hash(reads: Reads) -> None:
    digest = "0x" + reads.chain.send(payment(0)).hex()
    block_hash = "0x" + reads.chain.head.hash.hex()

    by_number, by_hash = reads.block_by_number(["0x1", False]), reads.block_by_hash([block_hash])

    assert by_number == by_hash
    assert isinstance(by_number, dict)
    assert by_number["transactions"] == [digest]
    assert by_number["gasLimit"] == hex(GAS_LIMIT)
    assert reads.block_by_number(["latest", True]) == by_number | {"transactions": [reads.transaction([digest])]}
    assert reads.block_receipts(["0x1"]) == reads.block_receipts([block_hash]) == [reads.receipt([digest])]


def test_the_pending_block_has_no_hash(reads: Reads) -> None:
    pending = reads.block_by_number(["pending", False])

    assert isinstance(pending, dict)
    assert (pending["number"], pending["hash"], pending["transactions"]) == ("0x1", None, [])


def test_what_does_not_exist_is_null(reads: Reads) -> None:
    unknown = "0x" + "ab" * 32

    assert reads.block_by_number(["0x99", False]) is None
    assert reads.block_by_hash([unknown, False]) is None
    assert reads.block_receipts(["0x99"]) is None
    assert reads.transaction([unknown]) is None
    assert reads.receipt([unknown]) is None


def test_the_state_of_a_block_that_does_not_exist_is_an_error(reads: Reads) -> None:
    with pytest.raises(RpcError, match="no such block"):
        reads.balance([OWNER.address, "0x99"])


def test_logs_of_a_range_that_ends_in_the_future_are_empty(reads: Reads) -> None:
    assert reads.logs([{"fromBlock": "0x0", "toBlock": "0x99"}]) == []
    assert reads.logs([{"fromBlock": "0x98", "toBlock": "0x99"}]) == []


def test_fees_cover_the_next_block(reads: Reads) -> None:
    for _ in range(3):
        reads.chain.mine()

    history = reads.fee_history(["0x2", "latest", [10, 90]])

    assert isinstance(history, dict)
    assert history["oldestBlock"] == "0x2"
    assert history["reward"] == [[hex(TIP_WEI)] * 2] * 2
    assert history["gasUsedRatio"] == [0.0, 0.0]
    fees = history["baseFeePerGas"]
    assert isinstance(fees, list)
    assert len(fees) == 3
    assert reads.gas_price([]) == hex(int(str(fees[-1]), 16) + TIP_WEI)


@pytest.mark.parametrize("arguments", [["0x0", "latest"], ["0x401", "latest"], ["0x1", "latest", "50"]])
def test_a_fee_history_out_of_bounds_is_refused(reads: Reads, arguments: list[object]) -> None:
    with pytest.raises(InvalidParams, match="1024"):
        reads.fee_history(arguments)
