"""A node as a payer sees it: the paid HTTP surface over a small ledger, with every signature really checked.

It is a transport, so clients reach it without a socket. Header and deposit parsing is the node's own.
"""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2

from contracts.crypto import ZERO_BYTES32, Bytes32, keccak, recover
from contracts.encoding import commitment, request_hash
from contracts.payment import SignedDeposit, SignedVoucher
from contracts.structs import InferenceRequest, PriceList, UsageReceipt
from contracts.x402 import ERC3009_COLLECTOR, ESCROW, ChannelConfig, ReceiveWithAuthorization, deposit_nonce
from node.payments.wire import parse_deposit, parse_headers, requirements
from tests.node.client.answers import (
    OPEN,
    OPERATOR,
    OUTPUT,
    RECEIVER,
    SETTLEMENT,
    TOKEN,
    VAULT,
    Body,
    plain,
    receipt_json,
    stream,
)

MODELS = {"clinic-base": ZERO_BYTES32, "dermatology": keccak(b"dermatology"), "cardiology": keccak(b"cardiology")}
URL = "http://node.test"


@dataclass
class Line:
    """One channel in the node's ledger."""

    config: ChannelConfig
    balance: int
    charged: int = 0
    signed_max: int = 0
    voucher_signature: bytes | None = None
    pending_withdraw: int = 0
    reserved: dict[int, int] = field(default_factory=dict)

    @property
    def capacity(self) -> int:
        return min(self.signed_max, self.balance - self.pending_withdraw) - self.charged - sum(self.reserved.values())


class Refusal(Exception):
    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code


class NodeSide(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """`edit` may change a receipt's JSON before it goes out; `cut_after` breaks answers after so many pieces."""

    def __init__(self, *, context_tokens: int | None = 512) -> None:
        self.lines: dict[Bytes32, Line] = {}
        self.requests: list[httpx2.Request] = []
        self.deposits: list[bytes] = []
        self.prices = PriceList(VAULT, ZERO_BYTES32, 2 * OPEN, OPEN, 8 * OPEN, 10**13, OPERATOR.address, 100_000)
        self.valid_for_s = 60.0
        self.edit: Callable[[dict[str, Any]], None] = lambda document: None
        self.cut_after: int | None = None
        self.refuse: list[Exception] = []
        self.show_vouchers = True
        self.piece = 7
        self._context_tokens, self._nonces, self._seq = context_tokens, set[int](), 0
        self._lock = threading.RLock()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        return self._answer(request)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        await asyncio.sleep(0.001)
        answer = self._answer(request)
        await asyncio.sleep(0.001)
        return answer

    def paid(self) -> list[httpx2.Request]:
        return [request for request in self.requests if request.url.path.startswith("/v1/")]

    def line(self) -> Line:
        (only,) = self.lines.values()
        return only

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        with self._lock:
            self.requests.append(request)
            try:
                return self._route(request)
            except Refusal as error:
                problem = {
                    "code": error.code,
                    "detail": error.code,
                    "error": {"code": error.code, "message": error.code},
                }
                return httpx2.Response(error.status, json=problem)

    def _route(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path == "/nodes/me":
            return httpx2.Response(200, json=self.card())
        if path == "/nodes/me/quote":
            return httpx2.Response(200, json=self._quote(request))
        if path == "/payments/channels" and request.method == "POST":
            return self._deposit(request)
        if path.startswith("/payments/channels/"):
            line = self.lines.get(Bytes32(bytes.fromhex(path.rsplit("0x")[1])))
            if line is None:
                raise Refusal(404, "channel_unknown")
            return httpx2.Response(200, json=self._view(line))
        if path in ("/v1/chat/completions", "/v1/completions"):
            return self._infer(request)
        return httpx2.Response(200, json={"object": "list", "data": []})

    def card(self) -> dict[str, object]:
        return {
            "node": VAULT,
            "operator": OPERATOR.address,
            "chainId": 31337,
            "settlement": SETTLEMENT,
            "asset": TOKEN,
            "assetName": "OPEN",
            "assetVersion": "1",
            "escrow": ESCROW,
            "withdrawDelay": 900,
            "minDeposit": str(RECEIVER.min_deposit),
            "accepts": [requirements(RECEIVER, 0)],
            "base": "clinic-base",
            "tokenizerDigest": "00" * 32,
        } | ({} if self._context_tokens is None else {"contextTokens": self._context_tokens})

    def price(self, tokens_in: int, tokens_out: int) -> int:
        total = tokens_in * self.prices.prompt_per_m + tokens_out * self.prices.output_per_m
        return max(self.prices.min_fee, (total + 999_999) // 1_000_000)

    def _quote(self, request: httpx2.Request) -> dict[str, object]:
        model = request.url.params["model"]
        if model not in MODELS:
            raise Refusal(404, "model_not_found")
        limit = int(request.url.params.get("max_tokens", "512"))
        until = datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.valid_for_s, UTC)
        return {
            "model": model,
            "adapterKey": "0x" + MODELS[model].hex(),
            "priceHash": "0x" + self.prices.struct_hash().hex(),
            "prices": {
                "promptPerM": str(self.prices.prompt_per_m),
                "cachedPerM": str(self.prices.cached_per_m),
                "outputPerM": str(self.prices.output_per_m),
                "minFee": str(self.prices.min_fee),
            },
            "maxFee": str(self.price(512, limit)),
            "validUntil": until.isoformat(),
        }

    def _deposit(self, request: httpx2.Request) -> httpx2.Response:
        deposit = parse_deposit(json.loads(request.content), RECEIVER)
        config = deposit.voucher.config
        nonce = deposit_nonce(config.channel_id(31337), deposit.salt)
        authorization = ReceiveWithAuthorization(
            config.payer, ERC3009_COLLECTOR, deposit.amount, deposit.valid_after, deposit.valid_before, nonce
        )
        self._check_config(config)
        assert recover(authorization.digest(RECEIVER.token_domain), deposit.signature) == config.payer
        self._check_voucher(deposit.voucher)
        if self.refuse:
            raise self.refuse.pop(0)
        self._fund(deposit, request.content)
        return httpx2.Response(201, json=self._view(self.lines[config.channel_id(31337)]))

    def _fund(self, deposit: SignedDeposit, body: bytes) -> None:
        config = deposit.voucher.config
        line = self.lines.setdefault(config.channel_id(31337), Line(config, 0))
        if body not in self.deposits:  # the token takes one authorisation once
            self.deposits.append(body)
            line.balance += deposit.amount

    def _view(self, line: Line) -> dict[str, object]:
        signature = line.voucher_signature if self.show_vouchers else None
        return {
            "channelId": "0x" + line.config.channel_id(31337).hex(),
            "config": line.config.to_json(),
            "balance": str(line.balance),
            "charged": str(line.charged),
            "reserved": str(sum(line.reserved.values())),
            "signedMax": str(line.signed_max),
            "voucherSignature": None if signature is None else "0x" + signature.hex(),
            "totalClaimed": "0",
            "pendingWithdraw": str(line.pending_withdraw),
        }

    def _check_config(self, config: ChannelConfig) -> None:
        assert (config.receiver, config.receiver_authorizer, config.token) == (VAULT, VAULT, TOKEN)
        assert config.payer == config.payer_authorizer
        assert config.withdraw_delay >= 900

    def _check_voucher(self, signed: SignedVoucher) -> None:
        assert signed.voucher.channel_id == signed.config.channel_id(31337)
        signer = recover(signed.voucher.digest(RECEIVER.escrow_domain), signed.signature)
        assert signer == signed.config.payer_authorizer

    def _infer(self, request: httpx2.Request) -> httpx2.Response:
        if self.refuse:
            raise self.refuse.pop(0)
        payment = parse_headers(request.headers, RECEIVER)
        if payment is None or payment.signed_voucher is None:
            raise Refusal(402, "payment_required")
        asked, voucher = payment.signed_request.request, payment.signed_voucher
        self._check_voucher(voucher)
        signer = recover(asked.digest(RECEIVER.domain), payment.signed_request.signature)
        assert signer == voucher.config.payer_authorizer
        path = request.url.raw_path.decode()
        assert asked.request_hash == request_hash("POST", path, request.content)
        assert asked.node == VAULT
        assert asked.nonce not in self._nonces, "a nonce was used twice"
        self._nonces.add(asked.nonce)
        if asked.price_hash != self.prices.struct_hash():
            raise Refusal(410, "price_expired")
        line = self._admit(asked, voucher)
        return self._serve(request, asked, line)

    def _admit(self, asked: InferenceRequest, voucher: SignedVoucher) -> Line:
        line = self.lines.get(asked.channel_id)
        if line is None:
            raise Refusal(402, "payment_required")
        if voucher.voucher.max_claimable_amount > line.signed_max:
            line.signed_max = voucher.voucher.max_claimable_amount
            line.voucher_signature = voucher.signature
        if line.capacity < asked.max_fee:
            raise Refusal(402, "payment_required")
        line.reserved[asked.nonce] = asked.max_fee
        return line

    def _serve(self, request: httpx2.Request, asked: InferenceRequest, line: Line) -> httpx2.Response:
        body = json.loads(request.content)
        output = OUTPUT[: body.get("max_tokens", len(OUTPUT))]
        tokens_in = len(request.content.split())
        assert self.price(tokens_in, len(output)) <= asked.max_fee
        receipt = self._charge(request, asked, line, tokens_in, output)
        self.edit(receipt)
        chat = request.url.path.endswith("chat/completions")
        shape = stream if body.get("stream") else plain
        content, kind = shape(body["model"], output, receipt, tokens_in, chat=chat)

        def before(number: int) -> None:
            if self.cut_after is not None and number >= self.cut_after:
                raise httpx2.ReadError("the connection broke")

        return httpx2.Response(200, headers={"content-type": kind}, stream=Body(content, self.piece, before))

    def _charge(
        self, request: httpx2.Request, asked: InferenceRequest, line: Line, tokens_in: int, output: tuple[str, ...]
    ) -> dict[str, Any]:
        fee = self.price(tokens_in, len(output))
        salts = keccak(b"prompt" + asked.struct_hash()), keccak(b"output" + asked.struct_hash())
        self._seq += 1
        receipt = UsageReceipt(
            node=VAULT,
            seq=self._seq,
            channel_id=asked.channel_id,
            request_digest=asked.digest(RECEIVER.domain),
            adapter_key=asked.adapter_key,
            price_hash=asked.price_hash,
            terms_hash=ZERO_BYTES32,
            shares_hash=ZERO_BYTES32,
            attribution_version=1,
            prompt_commit=commitment(salts[0], request.content),
            output_commit=commitment(salts[1], "".join(output).encode()),
            tokens_in=tokens_in,
            tokens_cached=0,
            tokens_out=len(output),
            fee=fee,
            cum_before=line.charged,
            voucher_max=line.signed_max,
            started_at=1_800_000_000,
            finished_at=1_800_000_001,
            status=0,
        )
        del line.reserved[asked.nonce]
        line.charged += fee
        return receipt_json(receipt, salts)
