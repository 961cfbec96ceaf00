"""The httpx2 auth that makes any OpenAI client pay: `OpenAI(http_client=httpx2.Client(auth=WalletAuth(...)))`."""

import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import httpx2

from contracts.crypto import Address, Signer
from contracts.encoding import request_hash
from contracts.payment import OPENLORA_REQUEST, PAYMENT_SIGNATURE, SignedRequest
from contracts.structs import MAX_DURATION_S, MAX_REQUEST_LIFETIME_S, InferenceRequest
from node.client.account_file import AccountFile
from node.client.channel import Channel
from node.client.errors import CostAboveLimit, DepositTooSmall, NodeDistrusted, NodeUnusable, ReceiptRefused
from node.client.flows import Flow, FlowAuth, fetch_card, fetch_quote
from node.client.node import NodeQuote
from node.client.paid_request import PaidRequest
from node.client.receipt import Expectation, SignedReceipt, verify
from node.client.transcript import TranscribedStream, Transcript
from node.client.wire import payment_headers

DEADLINE_S = MAX_REQUEST_LIFETIME_S - 60
"""How long a signed request can be presented to the node. The clocks may differ by a minute."""
STALE_STATUSES = (402, 409, 410)
"""The client's channel state or prices may be out of date: it refreshes them, signs once more, and then gives up."""


@dataclass(frozen=True, slots=True)
class SignedAttempt:
    """A request signed once, and what its receipt must say."""

    nonce: int
    headers: dict[str, str]
    expectation: Expectation
    choices: int


class WalletAuth(httpx2.Auth):
    """Signs every inference in advance for the most that it can cost, and checks every receipt.

    signer: the payer's key.
    state: the folder that stores channel accounts; processes with the same key should share it.
    deposit: the base units that are deposited whenever a channel runs short, never more at a time. None: no deposits;
        the node then answers 402.
    max_cost: the most base units that a request may cost.
    operator: the address that must sign receipts, if it is known from a better source than the node.
    on_receipt: called with every verified receipt. `receipts` keeps the newest 1000.

    After a wrong receipt, this object never pays the node again.

    Requests raise the errors of `node.client.errors`.
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
        self._quotes: dict[tuple[str, str, int | None], NodeQuote] = {}
        self._distrusted: dict[str, ReceiptRefused] = {}

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """What a blocking client calls: pays for `request` if it must be paid for."""
        return FlowAuth(self._pay).sync_auth_flow(request)

    def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """What an asynchronous client calls: pays for `request` if it must be paid for."""
        return FlowAuth(self._pay).async_auth_flow(request)

    def sign(self, request: httpx2.Request) -> Flow[dict[str, str]]:
        """The payment headers of a request that another program, such as curl, will send within DEADLINE_S.

        Its receipt is not checked. DepositTooSmall if the channel cannot cover it; ValueError if it needs no payment.
        """
        paid = PaidRequest.of(request)
        if paid is None:
            raise ValueError(f"{request.method} {request.url.path} with this body is not paid for")
        channel = yield from self._channel(origin(request.url))
        attempt = yield from self._sign(channel, paid, 0)
        if attempt is None:
            raise NodeUnusable(f"it does not serve {paid.model!r}", channel.url)
        return attempt.headers

    def _pay(self, request: httpx2.Request) -> Flow[None]:
        """Signs and sends `request`, and a second time if the node finds the first signature out of date."""
        paid = PaidRequest.of(request)
        if paid is None:
            yield request
            return
        channel = yield from self._channel(origin(request.url))
        request.headers["Accept-Encoding"] = "identity"  # the transcript reads the answer's bytes uncompressed
        elsewhere = 0
        for attempt_number in (1, 2):
            try:
                attempt = yield from self._sign(channel, paid, elsewhere)
            except DepositTooSmall:
                attempt = None  # the node's 402 shows the caller the figures
            response = yield from self._send(channel, request, attempt)
            if attempt is None or not response.is_error:
                return
            channel.release(attempt.nonce)
            if attempt_number == 2 or response.status_code not in STALE_STATUSES:
                return
            self._quotes.clear()
            elsewhere = yield from channel.refresh()

    def _channel(self, url: str) -> Flow[Channel]:
        if url in self._distrusted:
            raise NodeDistrusted(url, self._distrusted[url])
        if url in self._channels:
            return self._channels[url]
        card = yield from fetch_card(url)
        if self._operator not in (None, card.operator):
            raise NodeUnusable(f"its operator is {card.operator}, expected {self._operator}", url)
        file = AccountFile(self._state, card.chain_id, self._signer.address, card.vault)
        return self._channels.setdefault(url, Channel(url, card, self._signer, file, self._clock))

    def _send(self, channel: Channel, request: httpx2.Request, attempt: SignedAttempt | None) -> Flow[httpx2.Response]:
        """The response to `request`. Without a signature it is sent unpaid: the node's refusal says what is wrong."""
        for name in (PAYMENT_SIGNATURE, OPENLORA_REQUEST):
            request.headers.pop(name, None)
        if attempt is None:
            return (yield request)
        request.headers.update(attempt.headers)
        try:
            response = yield request
        except GeneratorExit:
            channel.lose(attempt.nonce)  # the connection broke: only the node knows whether it served the request
            raise
        if not response.is_error:
            streamed = response.headers.get("content-type", "").startswith("text/event-stream")
            response.stream = TranscribedStream(
                response.stream,
                Transcript(streamed=streamed, choices=attempt.choices),
                lambda transcript: self._check(channel, attempt, transcript),
                lambda: channel.lose(attempt.nonce),
            )
        return response

    def _check(self, channel: Channel, attempt: SignedAttempt, transcript: Transcript) -> None:
        """Verifies the receipt of an answer and settles its request; ReceiptRefused ends all trust in the node."""
        try:
            receipt = SignedReceipt.parse(transcript.receipt)
            verify(receipt, attempt.expectation, transcript.received)
        except ReceiptRefused as error:
            self._distrusted[channel.url] = error
            channel.lose(attempt.nonce)
            raise
        channel.settle(attempt.nonce, receipt.receipt.cum_before + receipt.receipt.fee)
        self.receipts.append(receipt)
        if self._on_receipt is not None:
            self._on_receipt(receipt)

    def _quote(self, channel: Channel, paid: PaidRequest) -> Flow[NodeQuote | None]:
        key = (channel.url, paid.model, None if channel.card.context_tokens else paid.max_tokens)
        known = self._quotes.get(key)
        if known is not None and known.valid_until > self._clock() + 1:
            return known
        quote = yield from fetch_quote(channel.url, paid.model, paid.max_tokens)
        if quote is not None:
            self._quotes[key] = quote
        return quote

    def _sign(self, channel: Channel, paid: PaidRequest, elsewhere: int) -> Flow[SignedAttempt | None]:
        """None if the node does not serve the model. DepositTooSmall if the channel cannot cover the request."""
        quote = yield from self._quote(channel, paid)
        if quote is None:
            return None
        max_fee = paid.max_fee(quote, channel.card.context_tokens)
        if self._max_cost is not None and max_fee > self._max_cost:
            raise CostAboveLimit(max_fee, self._max_cost)
        account = channel.file.read()
        if account is None or account.needs_refresh(self._clock()):
            elsewhere = max(elsewhere, (yield from channel.refresh()))
        while True:
            try:
                return self._signed(channel, paid, quote, max_fee, elsewhere)
            except DepositTooSmall as shortfall:
                if self._deposit is None:
                    raise
                yield from channel.top_up(shortfall, self._deposit)

    def _signed(
        self, channel: Channel, paid: PaidRequest, quote: NodeQuote, max_fee: int, elsewhere: int
    ) -> SignedAttempt:
        now, card = int(self._clock()), channel.card
        request = InferenceRequest(
            node=card.vault,
            channel_id=channel.id,
            adapter_key=quote.adapter_key,
            request_hash=request_hash(paid.method, paid.path_with_query, paid.body),
            max_fee=max_fee,
            price_hash=quote.price_hash,
            nonce=secrets.randbits(256),
            deadline=now + DEADLINE_S,
        )
        voucher = channel.promise(request, request.deadline + MAX_DURATION_S, elsewhere)
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
            prompt=paid.body,
        )
        headers = payment_headers(card, voucher, SignedRequest(request, self._signer.sign(digest)))
        return SignedAttempt(request.nonce, headers, expectation, paid.choices)


def origin(url: httpx2.URL) -> str:
    """The root of a node's paths: the scheme, host and port of any of its URLs."""
    return str(url.copy_with(raw_path=b"/")).rstrip("/")
