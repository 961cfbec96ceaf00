"""A payer's side of the paid HTTP tests: the shipped wallet, and requests signed by hand where one must be wrong."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2

from contracts.crypto import Bytes32, PrivateKey
from contracts.encoding import request_hash
from contracts.payment import SignedRequest, SignedVoucher
from contracts.structs import InferenceRequest, UsageReceipt
from local_chain.accounts import dev_accounts
from node.client.auth import WalletAuth
from node.client.flows import fetch_card, fetch_quote, run
from node.client.node import NodeCard, NodeQuote
from node.client.wire import channel_config, payment_headers

OPEN = 10**18
PAYER = dev_accounts()[2]
BODY: dict[str, Any] = {"model": "cardiology", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
CHAT = "/v1/chat/completions"


@contextmanager
def paying(url: str, folder: Path, key: PrivateKey = PAYER) -> Iterator[httpx2.Client]:
    """A client that opens a channel and pays for every inference."""
    with httpx2.Client(base_url=url, auth=WalletAuth(key, folder, deposit=OPEN), timeout=60) as client:
        yield client


@dataclass(frozen=True, slots=True)
class Bench:
    """What is needed to sign by hand."""

    url: str
    card: NodeCard
    quote: NodeQuote
    channel: dict[str, Any]

    @classmethod
    def of(cls, url: str) -> "Bench":
        with httpx2.Client(timeout=60) as client:
            card = run(client, fetch_card(url))
            quote = run(client, fetch_quote(url, BODY["model"], BODY["max_tokens"]))
            channel_id = channel_config(PAYER.address, card).channel_id(card.chain_id)
            channel = client.get(f"{url}/payments/channels/0x{channel_id.hex()}").json()
        assert quote is not None
        return cls(url, card, quote, channel)

    def ask(self, body: bytes = json.dumps(BODY).encode()) -> InferenceRequest:
        """A request that would be served."""
        return InferenceRequest(
            node=self.card.vault,
            channel_id=Bytes32(bytes.fromhex(self.channel["channelId"][2:])),
            adapter_key=self.quote.adapter_key,
            request_hash=request_hash("POST", CHAT, body),
            max_fee=self.quote.max_fee,
            price_hash=self.quote.price_hash,
            nonce=time.time_ns(),
            deadline=int(time.time()) + 120,
        )

    def send(
        self, request: InferenceRequest, *, signed_max: int | None = None, key: PrivateKey = PAYER, **more: str
    ) -> tuple[int, dict[str, Any]]:
        """Status and error (or body) of the signed request; by default its voucher covers it."""
        config = channel_config(PAYER.address, self.card)
        covers = int(self.channel["charged"]) + int(self.channel["reserved"]) + request.max_fee
        voucher = SignedVoucher.sign(PAYER, config, self.card.chain_id, covers if signed_max is None else signed_max)
        signed = SignedRequest(request, key.sign(request.digest(self.card.domain)))
        headers = payment_headers(self.card, voucher, signed) | more
        answer = httpx2.post(self.url + CHAT, content=json.dumps(BODY).encode(), headers=headers, timeout=60)
        document: dict[str, Any] = answer.json()
        return answer.status_code, document.get("error", document)


def altered(request: InferenceRequest, **changes: Any) -> InferenceRequest:
    return replace(request, **changes)


def receipts_of(client: httpx2.Client) -> list[UsageReceipt]:
    """Every numbered receipt, in order."""
    page = client.get("/receipts", params={"limit": 100}).json()["data"]
    found = [UsageReceipt.from_json(one["receipt"]) for one in page]
    return sorted((one for one in found if one.seq), key=lambda one: one.seq)
