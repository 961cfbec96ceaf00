"""Methods that run code or mine, on a py-evm chain without HTTP."""

import pytest
from eth_abi.abi import encode

from contracts.crypto import keccak
from contracts.x402 import ESCROW, MULTICALL3
from local_chain.pyevm.chain import PyevmChain
from local_chain.rpc.errors import EXECUTION_REVERTED, SERVER_ERROR, InvalidParams, RpcError
from local_chain.rpc.reads import Reads
from local_chain.rpc.runs import Runs
from tests.local_chain.engines import OWNER, PAYER
from tests.local_chain.payments import payment

TIMESTAMP = "0x" + keccak(b"getCurrentBlockTimestamp()")[:4].hex()
ERROR_STRING = bytes.fromhex("08c379a0") + encode(["string"], ["too late"])


@pytest.fixture
def runs(pyevm: PyevmChain) -> Runs:
    return Runs(pyevm, Reads(pyevm))


def reverting(data: bytes) -> str:
    """Init code that reverts with `data`: PUSH2 size, PUSH1 14, PUSH1 0, CODECOPY, PUSH2 size, PUSH1 0, REVERT."""
    size = len(data).to_bytes(2)
    code = b"\x61" + size + b"\x60\x0e" + b"\x60\x00" + b"\x39" + b"\x61" + size + b"\x60\x00" + b"\xfd"
    return "0x" + (code.ljust(14, b"\x00") + data).hex()


def test_a_call_runs_in_the_block_that_would_be_mined_now(runs: Runs) -> None:
    runs.increase_time(["0xe10"])

    now = runs.call([{"to": MULTICALL3, "data": TIMESTAMP}, "latest"])
    genesis = runs.call([{"to": MULTICALL3, "data": TIMESTAMP}, "earliest"])

    assert int(str(now), 16) - int(str(genesis), 16) >= 3_600


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (ERROR_STRING, "execution reverted: too late"),
        (ERROR_STRING[:20], "execution reverted"),
        (b"", "execution reverted"),
        (keccak(b"Custom()")[:4], "execution reverted"),
    ],
)
def test_a_revert_has_code_3_its_reason_and_its_data(runs: Runs, data: bytes, message: str) -> None:
    for method in (runs.call, runs.estimate):
        with pytest.raises(RpcError) as refusal:
            method([{"from": PAYER.address, "data": reverting(data)}])

        assert refusal.value.to_json() == {"code": EXECUTION_REVERTED, "message": message, "data": "0x" + data.hex()}


def test_a_call_without_enough_gas_is_a_server_error(runs: Runs) -> None:
    with pytest.raises(RpcError, match="intrinsic gas too low") as refusal:
        runs.call([{"to": OWNER.address, "gas": "0x1"}])

    assert refusal.value.code == SERVER_ERROR


def test_a_sent_transaction_is_mined_and_a_refused_one_says_why(runs: Runs) -> None:
    digest = runs.send(["0x" + payment(0).hex()])

    receipt = runs.reads.receipt([digest])
    assert isinstance(receipt, dict)
    assert receipt["status"] == "0x1"
    with pytest.raises(RpcError, match="already known") as refusal:
        runs.send(["0x" + payment(0).hex()])
    assert refusal.value.code == SERVER_ERROR


def test_the_clock_moves_forward_by_at_most_a_hundred_years(runs: Runs) -> None:
    assert runs.increase_time([10]) == 10
    assert runs.increase_time(["0xa"]) == 20
    with pytest.raises(InvalidParams, match="hundred years"):
        runs.increase_time([100 * 365 * 86_400 + 1])


def test_an_empty_block_is_mined_on_request(runs: Runs) -> None:
    assert runs.mine([]) == "0x0"

    assert runs.chain.head.block_number == 1


def test_overrides_are_refused_and_not_ignored(runs: Runs) -> None:
    with pytest.raises(InvalidParams, match="overrides"):
        runs.call([{"to": ESCROW}, "latest", {ESCROW: {"balance": "0x1"}}])
