"""The chain client over JSON-RPC: blocking HTTP, called in threads, with a time limit for every call."""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

import requests
import web3  # noqa: F401  # see the recursion limit below

from contracts.crypto import Address, Bytes32, keccak, to_address, to_bytes32
from node.chain.backoff import Backoff
from node.chain.client import Block, Call, Inclusion, Log
from node.chain.errors import (
    CallRefused,
    CallReverted,
    ChainError,
    ChainUnavailable,
    InsufficientFunds,
    NonceTooLow,
    TransactionRefused,
    Underpriced,
    WrongChain,
)
from node.chain.reverts import revert_reason
from node.chain.transport import AnswerTooLarge, Overloaded, Transport
from node.redaction import Redactor

_T = TypeVar("_T")

# web3 comes first: py_ecc, which it imports, lifts the limit to 100,000, and deeply nested JSON then overflows the
# C stack of the process
sys.setrecursionlimit(min(sys.getrecursionlimit(), 10_000))

CALL_TIMEOUT_S = 10.0
FALLBACK_TIP_WEI = 1_000_000_000
_KNOWN = ("already known", "known transaction", "already imported", "already in")
_REFUSALS: tuple[tuple[type[TransactionRefused], tuple[str, ...]], ...] = (
    (NonceTooLow, ("nonce too low", "nonce is too low", "invalid transaction nonce")),
    (Underpriced, ("underpriced", "fee too low", "less than block base fee", "fee cap")),
    (InsufficientFunds, ("insufficient funds", "insufficient balance", "doesn't have enough funds")),
)


class RpcClient:
    """A ChainClient for an http(s) URL."""

    def __init__(self, rpc_url: str, chain_id: int, timeout_s: float = CALL_TIMEOUT_S) -> None:
        self._url, self._chain_id, self._timeout_s = rpc_url, chain_id, timeout_s
        self._redact = Redactor([rpc_url])
        self._transport, self._backoff = Transport(rpc_url, timeout_s), Backoff()

    @classmethod
    async def connect(cls, rpc_url: str, chain_id: int, timeout_s: float = CALL_TIMEOUT_S) -> Self:
        """A client of the chain `chain_id`. Raises ChainUnavailable or WrongChain."""
        client = cls(rpc_url, chain_id, timeout_s)
        served = await client._get(_number, "eth_chainId")
        if served != chain_id:
            raise WrongChain(rpc_url, chain_id, served)
        return client

    @property
    def chain_id(self) -> int:
        """The id that transactions and signatures are bound to."""
        return self._chain_id

    async def head(self) -> Block:
        """The newest block."""
        return await self._get(_block, "eth_getBlockByNumber", "latest", False)

    async def block(self, number: int) -> Block | None:
        """The canonical block of a number; None above the head."""
        return await self._get(_or_none(_block), "eth_getBlockByNumber", hex(number), False)

    async def code(self, address: Address) -> bytes:
        """The code at an address; empty for an account without code."""
        return await self._get(_bytes, "eth_getCode", address, "latest")

    async def funds(self, address: Address) -> int:
        """The native coin of an account, in wei."""
        return await self._get(_number, "eth_getBalance", address, "latest")

    async def call(self, call: Call, sender: Address | None = None, at: int | None = None) -> bytes:
        """The return data of a call on the state after block `at`, or after the newest block. Raises CallReverted."""
        return await self._get(_bytes, "eth_call", _message(call, sender), "latest" if at is None else hex(at))

    async def estimate_gas(self, call: Call, sender: Address) -> int:
        """The gas that a transaction needs. Raises CallReverted if it would fail."""
        return await self._get(_number, "eth_estimateGas", _message(call, sender))

    async def tip_fee(self) -> int:
        """A priority fee that is accepted soon, in wei per gas."""
        try:
            return await self._get(_number, "eth_maxPriorityFeePerGas")
        except CallRefused:  # the method is optional
            return FALLBACK_TIP_WEI

    async def nonce(self, address: Address) -> int:
        """The number of mined transactions of an account."""
        return await self._get(_number, "eth_getTransactionCount", address, "latest")

    async def send_raw(self, raw: bytes) -> Bytes32:
        """Sends a signed transaction and returns its hash. Raises TransactionRefused."""
        try:
            await self._ask("eth_sendRawTransaction", _hex(raw))
        except CallReverted as error:
            raise TransactionRefused(error.reason) from error
        except CallRefused as error:
            if not any(phrase in error.reason.lower() for phrase in _KNOWN):
                raise _refusal(error.reason) from error
        return keccak(raw)

    async def knows(self, transaction_hash: Bytes32) -> bool:
        """Whether the transaction is mined or pending."""
        return await self._ask("eth_getTransactionByHash", _hex(transaction_hash)) is not None

    async def inclusion(self, transaction_hash: Bytes32) -> Inclusion | None:
        """The block and the result of a mined transaction; None if it is not mined."""
        return await self._get(_or_none(_inclusion), "eth_getTransactionReceipt", _hex(transaction_hash))

    async def logs(
        self, addresses: Sequence[Address], topics: Sequence[Bytes32], from_block: int, to_block: int
    ) -> list[Log]:
        """The events of these contracts with one of these first topics, in the order of the chain."""
        wanted = {
            "address": list(addresses),
            "topics": [[_hex(topic) for topic in topics]],
            "fromBlock": hex(from_block),
            "toBlock": hex(to_block),
        }
        return await self._logs(wanted)

    async def logs_of_block(
        self, block_hash: Bytes32, addresses: Sequence[Address], topics: Sequence[Bytes32]
    ) -> list[Log]:
        """Such events of one block (EIP-234). Raises CallRefused if the endpoint does not have the block."""
        selected = {"address": list(addresses), "topics": [[_hex(topic) for topic in topics]]}
        return await self._logs(selected | {"blockHash": _hex(block_hash)})

    async def receipt_logs(self, block_hash: Bytes32) -> list[Log]:
        """All events of one block, from its receipts. Raises CallRefused if the endpoint does not offer that."""
        made = await self._get(
            lambda rows: [_log(log) for row in rows for log in row["logs"]], "eth_getBlockReceipts", _hex(block_hash)
        )
        return sorted(made, key=lambda log: log.place)

    async def _logs(self, selected: Mapping[str, Any]) -> list[Log]:
        found = await self._get(lambda rows: [_log(row) for row in rows], "eth_getLogs", selected)
        return sorted(found, key=lambda log: log.place)

    async def _get(self, parse: Callable[[Any], _T], method: str, *params: Any) -> _T:
        """The parsed result of one JSON-RPC call."""
        answer = await self._ask(method, *params)
        try:
            return parse(answer)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ChainUnavailable(self._url, f"{method} returned a malformed result") from error

    async def _ask(self, method: str, *params: Any) -> Any:
        """The result of one JSON-RPC call. An error in the answer is raised as a ChainError."""
        answer = await self._answer(method, params)
        if not isinstance(answer, Mapping) or not answer.keys() & {"result", "error"}:
            raise ChainUnavailable(self._url, f"{method} returned no result")
        if answer.get("error") is not None:
            raise _error(method, answer["error"], self._redact)
        return answer.get("result")

    async def _answer(self, method: str, params: Sequence[Any]) -> Any:
        """The answer to one call. After an overload or a time-out, calls fail at once for a while."""
        began_at = time.monotonic()
        if (wait_s := self._backoff.wait_s(began_at)) > 0:
            raise ChainUnavailable(self._url, f"it is overloaded; the next call is in {wait_s:.1f} s", wait_s)
        try:
            request = asyncio.to_thread(self._transport.post, method, params)
            answer = await asyncio.wait_for(request, self._timeout_s + 1)
        except (TimeoutError, requests.Timeout) as error:
            self._backoff.fail(began_at, time.monotonic())
            raise ChainUnavailable(self._url, f"{method} took longer than {self._timeout_s} s") from error
        except Overloaded as error:
            self._backoff.fail(began_at, time.monotonic(), error.retry_after_s)
            raise ChainUnavailable(self._url, f"{method}: {error}", self._backoff.wait_s(began_at)) from error
        except AnswerTooLarge as error:
            raise ChainUnavailable(self._url, f"{method}: {error}") from error
        except (OSError, ValueError, RecursionError) as error:  # requests' errors are OSErrors, no JSON is a ValueError
            raise ChainUnavailable(self._url, f"{method}: {type(error).__name__}") from error
        self._backoff.succeed()
        return answer


def _error(method: str, error: Any, redact: Redactor) -> ChainError:
    """Code 3, or a message about a revert, means that a contract reverted (Geth's convention).

    A provider's message may quote the API key, so it is redacted.
    """
    if not isinstance(error, Mapping):
        return CallRefused(method, redact(str(error)))
    reason, data = redact(str(error.get("message", error))), error.get("data")
    raw = data.get("data") if isinstance(data, Mapping) else data
    if error.get("code") == 3 or "revert" in reason.lower():
        returned = _bytes(raw) if isinstance(raw, str) and raw.startswith("0x") else b""
        return CallReverted(revert_reason(returned) or reason, returned)
    return CallRefused(method, reason)


def _refusal(reason: str) -> TransactionRefused:
    kinds = (kind for kind, phrases in _REFUSALS if any(phrase in reason.lower() for phrase in phrases))
    return next(kinds, TransactionRefused)(reason)


def _message(call: Call, sender: Address | None) -> dict[str, str]:
    message = {"to": call.to, "data": _hex(call.data)}
    if call.value:
        message["value"] = hex(call.value)
    return message | ({"from": sender} if sender else {})


def _block(found: Mapping[str, Any]) -> Block:
    bloom, parent = found.get("logsBloom"), found.get("parentHash")
    return Block(
        number=_number(found["number"]),
        hash=_word(found["hash"]),
        timestamp=_number(found["timestamp"]),
        base_fee=_number(found.get("baseFeePerGas") or "0x0"),
        bloom=_bytes(bloom) if bloom else None,
        parent=_word(parent) if parent else None,
    )


def _inclusion(found: Mapping[str, Any]) -> Inclusion:
    return Inclusion(
        transaction_hash=_word(found["transactionHash"]),
        block_number=_number(found["blockNumber"]),
        block_hash=_word(found["blockHash"]),
        succeeded=_number(found["status"]) == 1,
        gas_used=_number(found["gasUsed"]),
        gas_price=_number(found.get("effectiveGasPrice") or "0x0"),
        logs=tuple(map(_log, found["logs"])),
    )


def _log(found: Mapping[str, Any]) -> Log:
    return Log(
        block_number=_number(found["blockNumber"]),
        block_hash=_word(found["blockHash"]),
        log_index=_number(found["logIndex"]),
        transaction_hash=_word(found["transactionHash"]),
        address=to_address(found["address"]),
        topics=tuple(_word(topic) for topic in found["topics"]),
        data=_bytes(found["data"]),
    )


def _or_none(parse: Callable[[Any], _T]) -> Callable[[Any], _T | None]:
    return lambda found: None if found is None else parse(found)


def _number(text: Any) -> int:
    return int(text, 16)


def _bytes(text: Any) -> bytes:
    return bytes.fromhex(text[2:])


def _word(text: Any) -> Bytes32:
    return to_bytes32(_bytes(text))


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()
