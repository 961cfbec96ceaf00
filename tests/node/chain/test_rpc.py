"""The RPC client against endpoints that fail in every way, and its decoding of what contracts say."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from eth_abi.abi import encode

from contracts.crypto import Bytes32, PrivateKey, keccak, to_address
from node.chain import errors
from node.chain.abi import abi_of
from node.chain.client import Call
from node.chain.contracts import SettlementContract
from node.chain.reverts import error_selector, revert_reason
from node.chain.rpc import FALLBACK_TIP_WEI, RpcClient

SOMEBODY = PrivateKey(keccak(b"somebody")).address
CALL = Call(to_address("0x" + "51" * 20), b"\x01\x02\x03\x04")
Answer = Callable[[str, list[Any]], dict[str, Any] | bytes]


@asynccontextmanager
async def endpoint(answer: Answer, path: str = "") -> AsyncIterator[RpcClient]:
    """A client of a JSON-RPC server that answers with `answer(method, params)`: members of the reply, or raw bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        request = json.loads(await reader.readexactly(int(length.split(b":")[1])))
        reply = answer(request["method"], request["params"])
        if isinstance(reply, dict):
            reply = json.dumps({"jsonrpc": "2.0", "id": request["id"], **reply}).encode()
        if reply != b"never":
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(reply) + reply)
            await writer.drain()
            writer.close()
        else:
            await asyncio.sleep(3)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield RpcClient(f"http://127.0.0.1:{port}{path}", 31337, timeout_s=0.5)
    server.close()


def error(code: int, message: str, data: str | None = None) -> Answer:
    body = {"code": code, "message": message} | ({"data": data} if data is not None else {})
    return lambda method, params: {"error": body}


async def test_nobody_listening_is_unavailable() -> None:
    with pytest.raises(errors.ChainUnavailable, match=r"--chain-rpc") as refusal:
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
    async with endpoint(lambda method, params: {"result": "0x1"}) as client:
        with pytest.raises(errors.WrongChain, match="serves chain 1"):
            await RpcClient.connect(client._url, 31337)


async def test_a_revert_carries_the_contract_s_reason() -> None:
    data = error_selector("Settlement", "NotOperator")
    _, kinds = abi_of("Settlement").errors[data]
    raw = "0x" + (data + encode(kinds, [SOMEBODY] * len(kinds))).hex()
    async with endpoint(error(3, "execution reverted", raw)) as client:
        with pytest.raises(errors.CallReverted, match="NotOperator"):
            await client.call(CALL)
        with pytest.raises(errors.CallReverted):
            await client.estimate_gas(CALL, SOMEBODY)


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


async def test_a_contract_that_is_not_there_is_named() -> None:
    async with endpoint(lambda method, params: {"result": "0x"}) as client:
        with pytest.raises(errors.ContractMissing, match="no Settlement contract at 0x5151"):
            await SettlementContract(client, CALL.to).ledger(SOMEBODY)


async def test_a_contract_that_answers_otherwise_is_noticed() -> None:
    async with endpoint(lambda method, params: {"result": "0x01"}) as client:
        with pytest.raises(errors.UnexpectedAnswer):
            await SettlementContract(client, CALL.to).ledger(SOMEBODY)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes.fromhex("08c379a0") + encode(["string"], ["too late"]), "too late"),
        (bytes.fromhex("4e487b71") + encode(["uint256"], [17]), "panic 0x11"),
        (error_selector("Settlement", "InvalidClosingTime"), "InvalidClosingTime()"),
        (bytes.fromhex("08c379a0") + b"\x01", None),
        (b"\xde\xad\xbe\xef", None),
        (b"", None),
    ],
)
def test_revert_data_is_put_into_words(data: bytes, reason: str | None) -> None:
    assert revert_reason(data) == reason


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
