"""The checkout of a paid node: it checks signatures, reserves the fee, and issues receipts that charge it."""

import time
from collections.abc import Mapping

from contracts.payment import PAYMENT_RESPONSE, to_header
from node.metering.checkout import Caller, HttpCall, Receipt, Ticket
from node.metering.issued import IssuedReceipt
from node.metering.metering import Metering
from node.metering.payee_labels import Labels
from node.payments.admission import Admission
from node.payments.authentication import VerifiedRequest, VerifiedVoucher
from node.payments.bounds import Bounds
from node.payments.challenge import payment_response, voucher_response
from node.payments.channels import Opened
from node.payments.errors import ChannelUnknown, PaymentRequired
from node.payments.payments import Payments
from node.payments.registrations import Registrations
from serving.types import AdapterDigest, End, Prepared


class PaidCheckout:
    """Every call is paid for: with a signed request, or by a stock x402 client with a voucher alone.

    `node.payments` decides whether a call is admitted; `node.metering` charges for it.
    """

    def __init__(self, payments: Payments, metering: Metering, registrations: Registrations, labels: Labels) -> None:
        self._payments, self._metering, self._registrations = payments, metering, registrations
        self._labels = labels

    async def authenticate(self, call: HttpCall, adapter: AdapterDigest | None, bounds: Bounds) -> Caller:
        """Checks the signatures of a call. A call without payment gets a 402 with the most that it can cost.

        Raises NotReady while the node may not sell.
        """
        self._payments.sales.require()
        key = self._registrations.adapter_key_of(adapter)
        now = int(time.time())
        try:
            consent = self._payments.authenticate(call.headers, call.method, call.path_with_query, call.body, now)
        except PaymentRequired:
            raise self._payments.payment_required(key, bounds, now) from None
        # the signer, not the payer: anybody can fund a channel that names another address as its payer
        return Caller(consent.signer, call, bounds, consent)

    async def admit(self, caller: Caller, request_id: str, prepared: Prepared) -> Ticket:
        """Reserves what the payer signed for: `maxFee`, or the amount that a voucher was raised by."""
        assert caller.consent is not None, "authenticate refuses unsigned calls"
        if isinstance(caller.consent, VerifiedVoucher):
            admission = await self._admit_voucher(caller, caller.consent, request_id, prepared)
        else:
            admission = await self._admit_request(caller.consent, request_id, prepared)
        return Ticket(
            request_id,
            prepared,
            tenant=caller.tenant,
            granted_tokens=admission.granted_tokens // prepared.choices,
            started_at=admission.started_at,
            admission=admission,
        )

    async def announce(self, ticket: Ticket) -> Mapping[str, str] | None:
        """The settle response that precedes a stream: with the ceiling for clients that sum up what was announced."""
        admission = _admission(ticket)
        if isinstance(admission.verified, VerifiedRequest):
            return _header(payment_response(self._payments.receiver, admission.channel, None))
        announced = await self._payments.vouchers.announce(admission)
        if announced is None:
            return None
        channel, charge = announced
        return _header(voucher_response(self._payments.receiver, channel, charge))

    async def record(self, ticket: Ticket, end: End, prompt: bytes, output: bytes) -> Receipt:
        """Charges the channel and returns the signed receipt."""
        admission = _admission(ticket)
        now = int(time.time())
        issued = await self._metering.record(admission, end, prompt=prompt, output=output, now=now)
        self._payments.vouchers.ended(ticket.request_id)
        return Receipt(self._labels.with_lines(issued.to_json()), _header(self._response(admission, issued)))

    async def release(self, ticket: Ticket) -> None:
        """Returns the reservation to the channel."""
        await self._payments.release(ticket.request_id)

    async def _admit_request(self, signed: VerifiedRequest, request_id: str, prepared: Prepared) -> Admission:
        try:
            return await self._payments.admit(
                signed,
                request_id=request_id,
                adapter_key=self._registrations.adapter_key_of(prepared.adapter),
                prompt_tokens=len(prepared.prompt_ids),
                max_new_tokens=prepared.most_output_tokens,
                now=int(time.time()),
            )
        except ChannelUnknown as error:
            raise PaymentRequired(str(error), self._payments.receiver, signed.request.max_fee) from error

    async def _admit_voucher(
        self, caller: Caller, paid: VerifiedVoucher, request_id: str, prepared: Prepared
    ) -> Admission:
        """Admits a request that was prepared in full, so that little can fail once its deposit is relayed."""
        now = int(time.time())
        order = self._payments.order(
            request_id,
            self._registrations.adapter_key_of(prepared.adapter),
            caller.bounds,
            Bounds(len(prepared.prompt_ids), prepared.most_output_tokens),
            now,
        )

        def relayed(opened: Opened) -> None:
            response = voucher_response(self._payments.receiver, opened.channel, 0, opened.transaction)
            caller.call.reply_headers.update(_header(response))

        return await self._payments.vouchers.admit(paid, order, now, relayed)

    def _response(self, admission: Admission, issued: IssuedReceipt) -> dict[str, object]:
        channel, receiver = issued.channel or admission.channel, self._payments.receiver
        if isinstance(admission.verified, VerifiedRequest):
            return payment_response(receiver, channel, issued.receipt)
        return voucher_response(receiver, channel, issued.announced)


def _admission(ticket: Ticket) -> Admission:
    assert ticket.admission is not None, "every ticket of a paid node has its admission"
    return ticket.admission


def _header(response: dict[str, object]) -> dict[str, str]:
    return {PAYMENT_RESPONSE: to_header(response)}
