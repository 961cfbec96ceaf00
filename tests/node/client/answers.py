"""How the node of these tests writes down answers and receipts."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx2

from contracts.crypto import Bytes32, PrivateKey, address_bytes, keccak
from contracts.structs import UsageReceipt
from node.payments.receiver import Receiver

OPEN = 10**18
OPERATOR = PrivateKey(keccak(b"operator"))
VAULT = PrivateKey(keccak(b"vault")).address
SETTLEMENT = PrivateKey(keccak(b"settlement")).address
TOKEN = PrivateKey(keccak(b"token")).address
RECEIVER = Receiver(
    chain_id=31337,
    settlement=SETTLEMENT,
    vault=VAULT,
    token=TOKEN,
    token_name="OPEN",
    token_version="1",
    min_withdraw_delay_s=900,
    min_deposit=10**15,
)
OUTPUT = ("Take ", "two ", "spoons ", "of Überöl", ".")


class Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """Response bytes in pieces that know nothing of events; `before` runs as each piece is read."""

    def __init__(self, content: bytes, piece: int, before: Callable[[int], None]) -> None:
        self._pieces = [content[i : i + piece] for i in range(0, len(content), piece)]
        self._before = before

    def __iter__(self) -> Iterator[bytes]:
        for number, piece in enumerate(self._pieces):
            self._before(number)
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


def receipt_json(receipt: UsageReceipt, salts: tuple[Bytes32, Bytes32]) -> dict[str, Any]:
    """The receipt as the API hands it out: a tenth to the treasury, the rest to the operator."""
    tenth = receipt.fee // 10
    operator = "0x" + (bytes(12) + address_bytes(OPERATOR.address)).hex()
    return {
        "id": "0x" + receipt.struct_hash().hex(),
        "receipt": receipt.to_json(),
        "signature": "0x" + OPERATOR.sign(receipt.digest(RECEIVER.domain)).hex(),
        "promptSalt": "0x" + salts[0].hex(),
        "outputSalt": "0x" + salts[1].hex(),
        "lines": [
            {"payeeKind": 0, "id": operator, "label": "operator", "amount": str(receipt.fee - tenth)},
            {"payeeKind": 2, "id": "0x" + "00" * 32, "label": "treasury", "amount": str(tenth)},
        ],
    }


def signed_again(document: dict[str, Any], **changes: object) -> None:
    """Changes the receipt's fields and lets the operator sign the result: a lie with a good signature."""
    receipt = replace(UsageReceipt.from_json(document["receipt"]), **changes)  # type: ignore[arg-type]
    salts = Bytes32(bytes.fromhex(document["promptSalt"][2:])), Bytes32(bytes.fromhex(document["outputSalt"][2:]))
    document.update(receipt_json(receipt, salts))


def _usage(tokens_in: int, output: tuple[str, ...]) -> dict[str, int]:
    return {
        "prompt_tokens": tokens_in,
        "completion_tokens": len(output),
        "total_tokens": tokens_in + len(output),
    }


def plain(
    model: str, output: tuple[str, ...], receipt: dict[str, Any], tokens_in: int, *, chat: bool
) -> tuple[bytes, str]:
    text = "".join(output)
    choice: dict[str, object] = {"index": 0, "finish_reason": "stop"}
    choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    document = {
        "id": "cmpl-1",
        "object": "chat.completion" if chat else "text_completion",
        "created": 1,
        "model": model,
        "choices": [choice],
        "usage": _usage(tokens_in, output),
        "receipt": receipt,
    }
    return json.dumps(document, ensure_ascii=False).encode(), "application/json"


def stream(
    model: str, output: tuple[str, ...], receipt: dict[str, Any], tokens_in: int, *, chat: bool
) -> tuple[bytes, str]:
    head = {
        "id": "cmpl-1",
        "object": "chat.completion.chunk" if chat else "text_completion",
        "created": 1,
        "model": model,
    }
    events = [b": keep-alive\n\n"]
    for number, text in enumerate((*output, "")):
        last = number == len(output)
        piece: dict[str, object] = {"delta": {"content": text} if text else {}} if chat else {"text": text}
        choice = {"index": 0, "finish_reason": "stop" if last else None, **piece}
        document = head | {"choices": [choice]} | ({"receipt": receipt} if last else {})
        events.append(b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n")
    return b"".join([*events, b"data: [DONE]\n\n"]), "text/event-stream; charset=utf-8"
