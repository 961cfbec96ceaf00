"""Sells a request: quote, authenticate, admit. Then `node.metering` charges it, or `release` frees its reservation."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from contracts.crypto import ZERO_BYTES32, Bytes32
from contracts.encoding import to_hex
from contracts.fees import highest_fee
from contracts.payment import OPENLORA_REQUEST
from contracts.structs import PriceList
from node.payments import admission, authentication
from node.payments.admission import Admission, Sale
from node.payments.authentication import Consent, VerifiedRequest
from node.payments.bounds import Bounds
from node.payments.channels import Channels
from node.payments.clock import ClockTolerance
from node.payments.errors import (
    ChannelUnknown,
    FeeAboveMax,
    PaymentError,
    PaymentInvalid,
    PaymentRequired,
    PriceExpired,
    PriceUnknown,
)
from node.payments.lookups import Lookups
from node.payments.receiver import Receiver
from node.payments.registrations import Escrow, Registrations
from node.payments.relay_limit import RelayLimit
from node.payments.releases import Releases
from node.payments.sales import Sales
from node.payments.voucher_payments import Order, VoucherPayments
from node.store import nonces, reservations
from node.store.channels import Channel
from node.store.database import Database
from node.store.reservations import Reservation
from serving.errors import NotReady

QUOTE_LIFETIME_S = 60
NONCE_MARGIN_S = 3600
"""How long a nonce is kept beyond its deadline, so that no request can be replayed after the clock was set back."""
PRUNE_PAUSE_S = 60


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of a request: at most `max_fee` base units. The price list is in force at least until `valid_until`."""

    adapter_key: Bytes32
    price_hash: Bytes32
    price_list: PriceList
    terms_hash: Bytes32
    max_fee: int
    valid_until: int


class Payments:
    """Quotes, authenticates and admits requests for one receiver."""

    def __init__(
        self,
        database: Database,
        receiver: Receiver,
        registrations: Registrations,
        escrow: Escrow,
        limit: RelayLimit | None = None,
        *,
        sales: Sales | None = None,
        clock: ClockTolerance | None = None,
    ) -> None:
        self.receiver, self.sales = receiver, sales or Sales()
        self._clock = clock or ClockTolerance.of_chain(receiver.chain_id)
        self.channels = Channels(database, receiver, escrow, limit)
        self._database, self._registrations = database, registrations
        self._lookups = Lookups()
        self._pruned_at = 0
        self._releases = Releases(database)
        self.vouchers = VoucherPayments(
            database, receiver, self.channels, releases=self._releases, lookups=self._lookups
        )

    async def recover(self) -> int:
        """Frees the reservations of requests that a previous process left behind; returns their number."""
        return await self._database.write(reservations.end_all)

    def quote(self, adapter_key: Bytes32, prompt_tokens: int, max_new_tokens: int, now: int) -> Quote:
        """The bound that a client must sign as `maxFee`, with its price list. `now` in unix seconds.

        PriceUnknown if no price is registered, NotReady if the clock is wrong.
        """
        at = self._time(now)
        sale = self._sale(adapter_key, at)
        registered = self._registrations.price_list_at(adapter_key, at)
        ends = registered.until if registered is not None and registered.until is not None else now + QUOTE_LIFETIME_S
        return Quote(
            adapter_key=adapter_key,
            price_hash=sale.price_hash,
            price_list=sale.price_list,
            terms_hash=sale.terms_hash,
            max_fee=highest_fee(sale.price_list, prompt_tokens, max_new_tokens),
            valid_until=min(ends, now + QUOTE_LIFETIME_S),
        )

    def authenticate(
        self, headers: Mapping[str, str], method: str, path_with_query: str, body: bytes, now: int
    ) -> Consent:
        """What the payer signed, with its signatures verified. See `authentication.authenticate`."""
        return authentication.authenticate(
            self.receiver, headers, method=method, path_with_query=path_with_query, body=body, now=now
        )

    def payment_required(self, adapter_key: Bytes32, bounds: Bounds, now: int) -> PaymentRequired:
        """The 402 for a request without payment, with what it would cost. PriceUnknown if no price is registered.

        Under one price list the same request always costs the same, so a client can sign for it and send it again.
        """
        _, sale = self.sale(adapter_key, now)
        required = bounds.amount(sale.price_list)
        problem = (
            f"This node is paid per request, and this request may cost {required}. Open a channel and sign the request."
        )
        return PaymentRequired(problem, self.receiver, required)

    async def admit(
        self,
        verified: VerifiedRequest,
        *,
        request_id: str,
        adapter_key: Bytes32,
        prompt_tokens: int,
        max_new_tokens: int,
        now: int,
    ) -> Admission:
        """Reserves the signed `maxFee` on the channel. Every admission must end in exactly one `record` or `release`.

        `request_id` is chosen by the node and unique. `now` in unix seconds. Raises NotReady while the node may not
        sell, PaymentInvalid, PriceUnknown, PriceExpired, FeeAboveMax, ChannelUnknown, NonceUsed, VoucherStale,
        PaymentRequired or ChainError.
        """
        self.sales.require()
        started_at, sale = self.sale(adapter_key, now)
        self._check_agreement(verified, sale, highest_fee(sale.price_list, prompt_tokens, max_new_tokens))
        await self.channels.make_current(verified.request.channel_id, now)
        reservation = Reservation(request_id, verified.request.channel_id, verified.request.max_fee, started_at)
        channel = await self._reserve(verified, reservation, now)
        return Admission(
            request_id=request_id,
            verified=verified,
            payer=channel.config.payer,
            sale=sale,
            reserved=reservation.amount,
            granted_tokens=max_new_tokens,
            started_at=started_at,
            channel=channel,
        )

    def order(self, request_id: str, adapter_key: Bytes32, bounds: Bounds, needed: Bounds, now: int) -> Order:
        """What a voucher must pay for. bounds: what the amount is computed from. needed: once the prompt is tokenised.

        Raises NotReady while the node may not sell, PriceUnknown, and PaymentRequired for a prompt of more tokens than
        bytes, as some tokenizers make of rare characters.
        """
        self.sales.require()
        started_at, sale = self.sale(adapter_key, now)
        amount = bounds.amount(sale.price_list)
        if needed.amount(sale.price_list) > amount:
            problem = (
                f"The prompt has {needed.prompt_tokens} tokens, more than its size suggests ({bounds.prompt_tokens}), "
                "so the amount that was announced does not cover it. Sign the request with openlora-node's WalletAuth."
            )
            raise PaymentRequired(problem, self.receiver, amount)
        return Order(request_id, sale, amount, needed.output_tokens, started_at)

    async def release(self, request_id: str) -> None:
        """Frees the reservation of a request that will not be recorded. Does nothing if there is none."""
        try:
            await self._releases.release(request_id)
        finally:
            self.vouchers.ended(request_id)

    async def close(self) -> None:
        """Waits for deposits and releases in flight."""
        await self.channels.close()
        await self._releases.close()

    def sale(self, adapter_key: Bytes32, now: int) -> tuple[int, Sale]:
        """The time of a sale at `now` (unix seconds), and what is in force then. Raises PriceUnknown or NotReady."""
        at = self._time(now)
        return at, self._sale(adapter_key, at)

    def _time(self, now: int) -> int:
        """The time of a sale. Raises NotReady if the wall clock and the newest block disagree."""
        head = self._registrations.head_time()
        at = self._clock.time(now, head)
        if at is None:
            raise NotReady(f"This node sells nothing now: {self._clock.problem(now, head)}")
        return at

    def _sale(self, adapter_key: Bytes32, at: int) -> Sale:
        registered = self._registrations.price_list_at(adapter_key, at)
        if registered is None:
            raise PriceUnknown(adapter_key)
        terms = self._registrations.terms_at(adapter_key, at)
        return Sale(
            adapter_key=adapter_key,
            price_list=registered.value,
            price_hash=registered.value.struct_hash(),
            terms=terms.value if terms is not None else None,
            terms_hash=terms.value.struct_hash() if terms is not None else ZERO_BYTES32,
        )

    def _check_agreement(self, verified: VerifiedRequest, sale: Sale, highest: int) -> None:
        """The payer signed for this adapter, at the price in force, and for enough."""
        request = verified.request
        if request.adapter_key != sale.adapter_key:
            raise PaymentInvalid(
                f"{OPENLORA_REQUEST}.request.adapterKey",
                f"is {to_hex(request.adapter_key)}; the body's model has {to_hex(sale.adapter_key)}",
            )
        if request.price_hash != sale.price_hash:
            raise PriceExpired(request.price_hash, sale.price_hash)
        if request.max_fee < highest:
            raise FeeAboveMax(self.receiver, highest, request.max_fee)

    async def _reserve(self, verified: VerifiedRequest, reservation: Reservation, now: int) -> Channel:
        """Reserves the fee. If it fails and the escrow may hold more than the database knows, refreshes and retries."""
        outcome = await self._try_reserve(verified, reservation, now)
        if isinstance(outcome, PaymentError) and await self._refreshed(verified, outcome, now):
            outcome = await self._try_reserve(verified, reservation, now)
        if isinstance(outcome, PaymentError):
            raise outcome
        return outcome

    async def _refreshed(self, verified: VerifiedRequest, refusal: PaymentError, now: int) -> bool:
        """Updates an unknown or underfunded channel from the escrow, within the limit of lookups. Whether it did so."""
        channel_id = verified.request.channel_id
        unknown = isinstance(refusal, ChannelUnknown) and verified.voucher is not None
        needed = refusal.signed_max_required if isinstance(refusal, PaymentRequired) else None
        channel = refusal.channel if isinstance(refusal, PaymentRequired) else None
        underfunded = channel is not None and needed is not None and channel.signed_max >= needed
        if not unknown and not underfunded:
            return False
        if not self._lookups.take(channel_id, now):
            return False
        if unknown and verified.voucher is not None:
            await self.channels.discover(verified.voucher.config, now)
        else:
            await self.channels.refresh(channel_id)
        return True

    async def _try_reserve(
        self, verified: VerifiedRequest, reservation: Reservation, now: int
    ) -> Channel | PaymentError:
        prune = now - self._pruned_at >= PRUNE_PAUSE_S
        if prune:
            self._pruned_at = now

        def change(session: Session) -> Channel | PaymentError:
            if prune:
                nonces.forget(session, now - NONCE_MARGIN_S)
            return admission.reserve(session, verified, self.receiver, reservation)

        try:
            return await self._database.write(change)
        except asyncio.CancelledError:
            # the reservation may exist although its caller is gone; the writer runs this release after it
            self._releases.undo(reservation.request_id)
            raise
