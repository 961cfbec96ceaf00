"""Selling one request: quote, authenticate, admit; then `node.metering` charges, or `release` gives back."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from contracts.crypto import ZERO_BYTES32, Bytes32
from contracts.structs import PriceList
from node.payments import admission, authentication
from node.payments.admission import Admission, Sale, highest_fee
from node.payments.authentication import SignedAsk
from node.payments.channels import Channels
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
from node.payments.wire import OPENLORA_REQUEST
from node.store import nonces, reservations
from node.store.channels import Channel
from node.store.database import Database
from node.store.reservations import Reservation

QUOTE_LIFETIME_S = 60
NONCE_MARGIN_S = 3600
"""How long a nonce is kept beyond its deadline, so that a clock set back revives no request."""
PRUNE_PAUSE_S = 60


@dataclass(frozen=True, slots=True)
class Quote:
    """What a request may cost: max_fee base units at most. The price list is in force at least until valid_until."""

    adapter_key: Bytes32
    price_hash: Bytes32
    price_list: PriceList
    terms_hash: Bytes32
    max_fee: int
    valid_until: int


class Payments:
    """Everything between a signed request and the right to run it, for one receiver."""

    def __init__(
        self,
        database: Database,
        receiver: Receiver,
        registrations: Registrations,
        escrow: Escrow,
        limit: RelayLimit | None = None,
    ) -> None:
        self.receiver = receiver
        self.channels = Channels(database, receiver, escrow, limit)
        self._database, self._registrations = database, registrations
        self._lookups = Lookups()
        self._pruned_at = 0
        self._undoing: set[asyncio.Task[None]] = set()

    async def recover(self) -> int:
        """After a start: gives back what requests of the dead process held. How many there were."""
        return await self._database.write(reservations.end_all)

    def quote(self, adapter_key: Bytes32, prompt_tokens: int, max_new_tokens: int, now: int) -> Quote:
        """The bound a client must sign as `maxFee`; PriceUnknown if nothing is registered."""
        at = max(now, self._registrations.head_time())
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
    ) -> SignedAsk:
        """Who asks and for what, by signature alone. See `authentication.authenticate`."""
        return authentication.authenticate(
            self.receiver, headers, method=method, path_with_query=path_with_query, body=body, now=now
        )

    def demand(self, adapter_key: Bytes32, prompt_tokens: int, max_new_tokens: int, now: int) -> PaymentRequired:
        """The 402 of a call without payment, with what it would cost."""
        required = self.quote(adapter_key, prompt_tokens, max_new_tokens, now).max_fee
        problem = f"This node is paid per request; this one may cost {required}. Open a channel and sign the request."
        return PaymentRequired(problem, self.receiver, required)

    async def admit(
        self,
        ask: SignedAsk,
        *,
        request_id: str,
        adapter_key: Bytes32,
        prompt_tokens: int,
        max_new_tokens: int,
        now: int,
    ) -> Admission:
        """Holds the signed `maxFee` back on the channel; every admission ends in exactly one record or release.

        `request_id` is the node's own and unique. Raises PaymentInvalid, PriceExpired, FeeAboveMax, ChannelUnknown,
        NonceUsed, VoucherStale or PaymentRequired.
        """
        started_at = max(now, self._registrations.head_time())
        sale = self._sale(adapter_key, started_at)
        self._check_bargain(ask, sale, highest_fee(sale.price_list, prompt_tokens, max_new_tokens))
        reservation = Reservation(request_id, ask.request.channel_id, ask.request.max_fee, started_at)
        channel = await self._reserve(ask, reservation, now)
        return Admission(
            request_id=request_id,
            ask=ask,
            payer=channel.config.payer,
            sale=sale,
            reserved=reservation.amount,
            granted_tokens=max_new_tokens,
            started_at=started_at,
            channel=channel,
        )

    async def release(self, request_id: str) -> None:
        """Gives back what a request holds that will not be recorded. Harmless if nothing is held."""
        await self._database.write(lambda session: reservations.end(session, request_id))

    async def close(self) -> None:
        """Waits for deposits and releases under way."""
        await self.channels.close()
        await asyncio.gather(*self._undoing)

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

    def _check_bargain(self, ask: SignedAsk, sale: Sale, highest: int) -> None:
        """The payer signed for this adapter, at the price in force, and for enough."""
        request = ask.request
        if request.adapter_key != sale.adapter_key:
            raise PaymentInvalid(
                f"{OPENLORA_REQUEST}.request.adapterKey",
                f"is 0x{request.adapter_key.hex()}; the body's model has 0x{sale.adapter_key.hex()}",
            )
        if request.price_hash != sale.price_hash:
            raise PriceExpired(request.price_hash, sale.price_hash)
        if request.max_fee < highest:
            raise FeeAboveMax(self.receiver, highest, request.max_fee)

    async def _reserve(self, ask: SignedAsk, reservation: Reservation, now: int) -> Channel:
        """Reserves; looks at the escrow first where that may help."""
        outcome = await self._try_reserve(ask, reservation, now)
        if isinstance(outcome, PaymentError) and await self._look_again(ask, outcome, now):
            outcome = await self._try_reserve(ask, reservation, now)
        if isinstance(outcome, PaymentError):
            raise outcome
        return outcome

    async def _look_again(self, ask: SignedAsk, refusal: PaymentError, now: int) -> bool:
        """Whether the escrow may hold more than is known here: an unknown channel, or one that seems underfunded."""
        channel_id = ask.request.channel_id
        unknown = isinstance(refusal, ChannelUnknown) and ask.voucher is not None
        needed = refusal.signed_max_required if isinstance(refusal, PaymentRequired) else None
        channel = refusal.channel if isinstance(refusal, PaymentRequired) else None
        underfunded = channel is not None and needed is not None and channel.signed_max >= needed
        if not unknown and not underfunded:
            return False
        if not self._lookups.take(channel_id, now):
            return False
        if unknown and ask.voucher is not None:
            await self.channels.discover(ask.voucher.config, now)
        else:
            await self.channels.refresh(channel_id)
        return True

    async def _try_reserve(self, ask: SignedAsk, reservation: Reservation, now: int) -> Channel | PaymentError:
        prune = now - self._pruned_at >= PRUNE_PAUSE_S
        if prune:
            self._pruned_at = now

        def change(session: Session) -> Channel | PaymentError:
            if prune:
                nonces.forget(session, now - NONCE_MARGIN_S)
            return admission.reserve(session, ask, self.receiver, reservation)

        try:
            return await self._database.write(change)
        except asyncio.CancelledError:
            # the reservation may have been made although nobody heard of it; the writer keeps the order
            undo = asyncio.create_task(self.release(reservation.request_id))
            self._undoing.add(undo)
            undo.add_done_callback(self._undoing.discard)
            raise
