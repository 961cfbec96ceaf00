"""The httpx2 auth that makes any OpenAI client pay: `OpenAI(http_client=httpx2.Client(auth=WalletAuth(...)))`."""

import json
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx2

from contracts.crypto import Address
from contracts.encoding import request_hash
from contracts.structs import InferenceRequest
from node.client.answer import Transcript, WatchedStream
from node.client.book import Book
from node.client.channel import Channel
from node.client.errors import CostAboveLimit, DepositTooSmall, NodeDistrusted, NodeUnusable, ReceiptRefused
from node.client.flows import Flow, fetch_card, fetch_quote
from node.client.node import Quote
from node.client.receipt import Expectation, SignedReceipt, verify
from node.client.wallet import Signer
from node.client.wire import OPENLORA_REQUEST, PAYMENT_SIGNATURE, payment_headers

PAID_PATHS = ("/v1/chat/completions", "/v1/completions")
TEMPLATE_TOKENS = 256
"""What a chat template may add to a prompt beyond one token per byte of the request's body."""
DEADLINE_S = 240
LONGEST_ANSWER_S = 3600
STALE = (402, 409, 410)
"""Answers that a fresh look at channel and prices may turn into a good one: signed again once, then handed through."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that must be paid for, as its bytes go out."""

    method: str
    path_with_query: str
    body: bytes
    model: str
    max_tokens: int | None
    choices: int = 1

    @classmethod
    def of(cls, request: httpx2.Request) -> Self | None:
        """None for requests that cost nothing, and for bodies that the node will refuse anyway."""
        if request.method != "POST" or not request.url.path.endswith(PAID_PATHS):
            return None
        try:
            body = json.loads(request.content)
        except ValueError:
            return None
        if not isinstance(body, dict) or not isinstance(body.get("model"), str):
            return None
        limits = (body.get(name) for name in ("max_completion_tokens", "max_tokens"))
        limit = next((value for value in limits if isinstance(value, int) and value > 0), None)
        n = body.get("n")
        choices = n if isinstance(n, int) and n > 0 else 1
        path = request.url.raw_path.decode("ascii")
        return cls(request.method, path, request.content, body["model"], limit, choices)


@dataclass(frozen=True, slots=True)
class Signed:
    """One signed attempt at a request."""

    nonce: int
    headers: dict[str, str]
    expectation: Expectation
    choices: int


class WalletAuth(httpx2.Auth):
    """Signs every inference ahead for the most it may cost, and checks every receipt.

    state: a folder that remembers channels; share it between processes that share the key. deposit: base units put
    into the channel whenever it runs short, and no more at once (None: never; the node then answers 402). max_cost:
    the most one request may cost.
    operator: who must sign receipts, if it is known from elsewhere than the node. Verified receipts are kept in
    `receipts` and given to `on_receipt`. After a wrong receipt the node is not paid again by this object.
    """

    def __init__(
        self,
        signer: Signer,
        state: Path,
        *,
        deposit: int | None = None,
        max_cost: int | None = None,
        operator: Address | None = None,
        on_receipt: Callable[[SignedReceipt], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.receipts: deque[SignedReceipt] = deque(maxlen=1000)
        self._signer, self._state, self._deposit, self._max_cost = signer, state, deposit, max_cost
        self._operator, self._on_receipt, self._clock = operator, on_receipt, clock
        self._channels: dict[str, Channel] = {}
        self._quotes: dict[tuple[str, str, int | None], Quote] = {}
        self._distrusted: dict[str, ReceiptRefused] = {}

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.read()
        with closing(self._flow(request)) as flow:
            outgoing = next(flow)
            while True:
                # requests of our own are as patient as the caller's
                outgoing.extensions.setdefault("timeout", request.extensions.get("timeout", {}))
                response = yield outgoing
                if outgoing is not request or response.is_error:
                    response.read()
                try:
                    outgoing = flow.send(response)
                except StopIteration:
                    return

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        await request.aread()
        with closing(self._flow(request)) as flow:
            outgoing = next(flow)
            while True:
                # requests of our own are as patient as the caller's
                outgoing.extensions.setdefault("timeout", request.extensions.get("timeout", {}))
                response = yield outgoing
                if outgoing is not request or response.is_error:
                    await response.aread()
                try:
                    outgoing = flow.send(response)
                except StopIteration:
                    return

    def _flow(self, request: httpx2.Request) -> Flow[None]:
        ask = Ask.of(request)
        if ask is None:
            yield request
            return
        channel = yield from self._channel(origin(request.url))
        request.headers["Accept-Encoding"] = "identity"  # the answer is read along as it passes
        elsewhere = 0
        for attempt in (1, 2):
            try:
                signed = yield from self._sign(channel, ask, elsewhere)
            except DepositTooSmall:
                signed = None  # the node's 402 tells the numbers to whoever called
            response = yield from self._send(channel, request, signed)
            if signed is None or not response.is_error:
                return
            channel.release(signed.nonce)
            if attempt == 2 or response.status_code not in STALE:
                return
            self._quotes.clear()
            elsewhere = yield from channel.refresh()

    def sign(self, request: httpx2.Request) -> Flow[dict[str, str]]:
        """The payment headers of a request that something else will send within minutes, such as curl.

        Its receipt is not seen here. DepositTooSmall if the channel cannot cover it; ValueError if it needs no payment.
        """
        ask = Ask.of(request)
        if ask is None:
            raise ValueError(f"{request.method} {request.url.path} with this body is not paid for")
        channel = yield from self._channel(origin(request.url))
        signed = yield from self._sign(channel, ask, 0)
        if signed is None:
            raise NodeUnusable(channel.url, f"it does not serve {ask.model!r}")
        return signed.headers

    def _channel(self, url: str) -> Flow[Channel]:
        if url in self._distrusted:
            raise NodeDistrusted(url, self._distrusted[url])
        if url in self._channels:
            return self._channels[url]
        card = yield from fetch_card(url)
        if self._operator not in (None, card.operator):
            raise NodeUnusable(url, f"its operator is {card.operator}, expected {self._operator}")
        book = Book(self._state, card.chain_id, self._signer.address, card.vault)
        return self._channels.setdefault(url, Channel(url, card, self._signer, book, self._clock))

    def _send(self, channel: Channel, request: httpx2.Request, signed: Signed | None) -> Flow[httpx2.Response]:
        """Without a signature the node is asked all the same: its refusal says what is wrong."""
        for name in (PAYMENT_SIGNATURE, OPENLORA_REQUEST):
            request.headers.pop(name, None)
        if signed is None:
            return (yield request)
        request.headers.update(signed.headers)
        try:
            response = yield request
        except GeneratorExit:
            channel.lose(signed.nonce)  # the connection broke: the node alone knows whether it served
            raise
        if not response.is_error:
            streamed = response.headers.get("content-type", "").startswith("text/event-stream")
            response.stream = WatchedStream(
                response.stream,
                Transcript(streamed=streamed, choices=signed.choices),
                lambda transcript: self._check(channel, signed, transcript),
                lambda: channel.lose(signed.nonce),
            )
        return response

    def _check(self, channel: Channel, signed: Signed, transcript: Transcript) -> None:
        try:
            receipt = SignedReceipt.parse(transcript.receipt)
            verify(receipt, signed.expectation, transcript.answer)
        except ReceiptRefused as error:
            self._distrusted[channel.url] = error
            channel.lose(signed.nonce)
            raise
        channel.settle(signed.nonce, receipt.receipt.cum_before + receipt.receipt.fee)
        self.receipts.append(receipt)
        if self._on_receipt is not None:
            self._on_receipt(receipt)

    def _quote(self, channel: Channel, ask: Ask) -> Flow[Quote | None]:
        key = (channel.url, ask.model, None if channel.card.context_tokens else ask.max_tokens)
        known = self._quotes.get(key)
        if known is not None and known.valid_until > self._clock() + 1:
            return known
        quote = yield from fetch_quote(channel.url, ask.model, ask.max_tokens)
        if quote is not None:
            self._quotes[key] = quote
        return quote

    def _sign(self, channel: Channel, ask: Ask, elsewhere: int) -> Flow[Signed | None]:
        """None if the node does not serve the model. DepositTooSmall if the channel cannot cover the request."""
        quote = yield from self._quote(channel, ask)
        if quote is None:
            return None
        max_fee = _max_fee(ask, quote, channel.card.context_tokens)
        if self._max_cost is not None and max_fee > self._max_cost:
            raise CostAboveLimit(max_fee, self._max_cost)
        account = channel.book.read()
        if account is None or account.doubtful(self._clock()):
            elsewhere = max(elsewhere, (yield from channel.refresh()))
        while True:
            try:
                return self._signed(channel, ask, quote, max_fee, elsewhere)
            except DepositTooSmall as shortfall:
                if self._deposit is None:
                    raise
                yield from channel.top_up(shortfall, self._deposit)

    def _signed(self, channel: Channel, ask: Ask, quote: Quote, max_fee: int, elsewhere: int) -> Signed:
        now, card = int(self._clock()), channel.card
        request = InferenceRequest(
            node=card.vault,
            channel_id=channel.id,
            adapter_key=quote.adapter_key,
            request_hash=request_hash(ask.method, ask.path_with_query, ask.body),
            max_fee=max_fee,
            price_hash=quote.price_hash,
            nonce=secrets.randbits(256),
            deadline=now + DEADLINE_S,
        )
        voucher = channel.promise(request, request.deadline + LONGEST_ANSWER_S, elsewhere)
        digest = request.digest(card.domain)
        expectation = Expectation(
            domain=card.domain,
            operator=card.operator,
            node=card.vault,
            channel_id=channel.id,
            request_digest=digest,
            adapter_key=quote.adapter_key,
            price_hash=quote.price_hash,
            prices=quote.prices,
            max_fee=max_fee,
            prompt=ask.body,
        )
        headers = payment_headers(card, voucher, request, self._signer.sign(digest))
        return Signed(request.nonce, headers, expectation, ask.choices)


def origin(url: httpx2.URL) -> str:
    """Where a node's own paths start: scheme, host and port of any of its URLs."""
    return str(url.copy_with(raw_path=b"/")).rstrip("/")


def _max_fee(ask: Ask, quote: Quote, context_tokens: int | None) -> int:
    """The most this request can cost: a token of the prompt takes at least a byte of the body."""
    prompt_tokens = len(ask.body) + TEMPLATE_TOKENS
    if context_tokens is not None:
        new_tokens = context_tokens if ask.max_tokens is None else min(ask.max_tokens, context_tokens)
        return quote.prices.bound(min(prompt_tokens, context_tokens), ask.choices * new_tokens)
    if ask.max_tokens is None:
        return ask.choices * max(quote.max_fee, quote.prices.bound(prompt_tokens, 0))
    return quote.prices.bound(prompt_tokens, ask.choices * ask.max_tokens)
