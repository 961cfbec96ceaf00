"""The RPC client against endpoints that fail in every way, and its decoding of what contracts say."""

import subprocess
import sys

import pytest
from eth_abi.abi import encode

from contracts.crypto import Bytes32, keccak
from node.chain import errors
from node.chain.abi import abi_of
from node.chain.client import Call
from node.chain.reverts import error_selector
from node.chain.rpc import FALLBACK_TIP_WEI, RpcClient
from node.chain.transport import MOST_BYTES
from tests.node.chain.endpoints import CALL, SOMEBODY, endpoint, error, served


async def test_nobody_listening_is_unavailable() -> None:
    with pytest.raises(errors.ChainUnavailable, match="Check that a chain answers there") as refusal:
        await RpcClient.connect("http://127.0.0.1:1", 31337)
    assert refusal.value.retry_after_s > 0


@pytest.mark.parametrize(
    "reply", [b"<html>", b"", b"{}", b"[]", b"never"], ids=["html", "nothing", "{}", "[]", "silence"]
)
async def test_an_endpoint_that_talks_nonsense_or_never_is_unavailable(reply: bytes) -> None:
    async with endpoint(lambda method, params: reply) as client:
        with pytest.raises(errors.ChainUnavailable):
            await client.head()


@pytest.mark.parametrize("result", [None, "0xzz", 5, {"number": "0x1"}], ids=str)
async def test_an_answer_of_another_shape_is_unavailable(result: object) -> None:
    async with endpoint(lambda method, params: {"result": result}) as client:
        with pytest.raises(errors.ChainUnavailable):
            await client.head()


async def test_another_chain_is_refused() -> None:
    async with served(lambda method, params: {"result": "0x1"}) as url:
        with pytest.raises(errors.WrongChain, match="serves chain 1"):
            await RpcClient.connect(url, 31337)


async def test_a_revert_carries_the_contract_s_reason() -> None:
    data = error_selector("Settlement", "NotOperator")
    _, kinds = abi_of("Settlement").errors[data]
    raw = "0x" + (data + encode(kinds, [SOMEBODY] * len(kinds))).hex()
    async with endpoint(error(3, "execution reverted", raw)) as client:
        with pytest.raises(errors.CallReverted, match="NotOperator"):
            await client.call(CALL)
        with pytest.raises(errors.CallReverted):
            await client.estimate_gas(CALL, SOMEBODY)


async def test_the_value_of_a_call_is_part_of_its_simulation() -> None:
    asked: list[object] = []

    def answer(method: str, params: list[object]) -> dict[str, str]:
        asked.append(params[0])
        return {"result": "0x5208"}

    async with endpoint(answer) as client:
        await client.estimate_gas(Call(CALL.to, b"", 10**15), SOMEBODY)
        await client.estimate_gas(CALL, SOMEBODY)

    valued, plain = asked
    assert isinstance(valued, dict)
    assert isinstance(plain, dict)
    assert valued["value"] == hex(10**15)
    assert "value" not in plain


async def test_another_refusal_of_a_call_is_told_apart() -> None:
    async with endpoint(error(-32000, "gas required exceeds allowance")) as client:
        with pytest.raises(errors.CallRefused, match="gas required"):
            await client.call(CALL)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("nonce too low: next nonce 5, tx nonce 4", errors.NonceTooLow),
        ("replacement transaction underpriced", errors.Underpriced),
        ("max fee per gas less than block base fee", errors.Underpriced),
        ("insufficient funds for gas * price + value", errors.InsufficientFunds),
        ("transaction type not supported", errors.TransactionRefused),
    ],
)
async def test_a_refused_transaction_says_why(message: str, kind: type[errors.TransactionRefused]) -> None:
    async with endpoint(error(-32000, message)) as client:
        with pytest.raises(errors.TransactionRefused) as refusal:
            await client.send_raw(b"\x02")
    assert type(refusal.value) is kind


async def test_a_transaction_that_the_chain_has_already_is_no_error() -> None:
    async with endpoint(error(-32000, "already known")) as client:
        assert await client.send_raw(b"\x02raw") == keccak(b"\x02raw")


async def test_a_chain_without_fee_advice_gets_a_default_tip() -> None:
    async with endpoint(error(-32601, "the method does not exist")) as client:
        assert await client.tip_fee() == FALLBACK_TIP_WEI


async def test_blocks_and_inclusions_are_read_whole() -> None:
    word = "0x" + "07" * 32
    block = {"number": "0x10", "hash": word, "timestamp": "0x20", "baseFeePerGas": "0x7"}
    receipt = {
        "transactionHash": word,
        "blockNumber": "0x10",
        "blockHash": word,
        "status": "0x0",
        "gasUsed": "0x5208",
        "effectiveGasPrice": "0x8",
        "logs": [],
    }
    answers = {"eth_getBlockByNumber": block, "eth_getTransactionReceipt": receipt}
    async with endpoint(lambda method, params: {"result": answers[method]}) as client:
        head, found = await client.head(), await client.inclusion(Bytes32(b"\x07" * 32))

    assert (head.number, head.timestamp, head.base_fee) == (16, 32, 7)
    assert found is not None
    assert (found.succeeded, found.gas_used, found.gas_price, found.block_number) == (False, 21_000, 8, 16)


def test_deeply_nested_json_cannot_crash_a_process_that_talks_to_a_chain() -> None:
    hostile = 'import json, node.chain.rpc\ntry: json.loads("[" * 200_000)\nexcept RecursionError: print("refused")'

    done = subprocess.run([sys.executable, "-c", hostile], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "refused\n")


@pytest.mark.parametrize("status", [429, 503])
async def test_an_overloaded_endpoint_is_left_alone_as_long_as_it_asks(status: int) -> None:
    asked = []

    def answer(method: str, params: list[object]) -> int:
        asked.append(method)
        return status

    async with endpoint(answer) as client:
        with pytest.raises(errors.ChainUnavailable, match=str(status)) as refusal:
            await client.head()
        with pytest.raises(errors.ChainUnavailable, match="overloaded"):
            await client.head()

    assert asked == ["eth_getBlockByNumber"]
    assert 6 < refusal.value.retry_after_s <= 8


async def test_a_silent_endpoint_is_not_asked_again_at_once() -> None:
    asked = []

    def answer(method: str, params: list[object]) -> bytes:
        asked.append(method)
        return b"never"

    async with endpoint(answer) as client:
        for _ in range(3):
            with pytest.raises(errors.ChainUnavailable):
                await client.head()

    assert len(asked) == 1


async def test_an_answer_of_any_size_takes_bounded_memory() -> None:
    huge = b'{"jsonrpc": "2.0", "id": 1, "result": "' + b"0" * MOST_BYTES + b'"}'
    async with served(lambda method, params: huge) as url:
        with pytest.raises(errors.ChainUnavailable, match="more than"):
            await RpcClient(url, 31337, timeout_s=60).head()


async def test_deeply_nested_json_makes_an_endpoint_unavailable() -> None:
    async with endpoint(lambda method, params: b"[" * 200_000) as client:
        with pytest.raises(errors.ChainUnavailable):
            await client.head()
