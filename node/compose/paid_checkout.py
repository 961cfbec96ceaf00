"""The checkout of a paid node: it checks signatures, reserves the fee, and issues receipts that charge it."""

import time

from contracts.payment import PAYMENT_RESPONSE, to_header
from contracts.structs import UsageReceipt
from node.metering.checkout import Caller, HttpCall, Receipt, Ticket
from node.metering.metering import Metering
from node.metering.payee_labels import Labels
from node.payments.challenge import payment_response
from node.payments.errors import ChannelUnknown, PaymentRequired
from node.payments.payments import Payments
from node.payments.registrations import Registrations
from node.store.channels import Channel
from serving.types import AdapterDigest, End, Prepared


class PaidCheckout:
    """Every request is signed. `node.payments` decides whether it is admitted; `node.metering` charges for it."""

    def __init__(
        self,
        payments: Payments,
        metering: Metering,
        registrations: Registrations,
        labels: Labels,
        *,
        context_tokens: int,
    ) -> None:
        """context_tokens: the model's context, which bounds the price of a prompt that is not tokenised."""
        self._payments, self._metering, self._registrations = payments, metering, registrations
        self._labels, self._context_tokens = labels, context_tokens

    async def authenticate(
        self, call: HttpCall, adapter: AdapterDigest | None, max_new_tokens: int | None, choices: int
    ) -> Caller:
        """Checks the signatures of a call. A call without payment gets a 402 with the most that it can cost.

        Raises NotReady while the node may not sell.
        """
        self._payments.sales.require()
        key = self._registrations.adapter_key_of(adapter)
        now = int(time.time())
        try:
            signed = self._payments.authenticate(call.headers, call.method, call.path_with_query, call.body, now)
        except PaymentRequired:
            raise self._payments.payment_required(key, *self._bounds(max_new_tokens, choices), now) from None
        return Caller(tenant=signed.signer, signed=signed)

    async def admit(self, caller: Caller, request_id: str, prepared: Prepared) -> Ticket:
        """Reserves the signed `maxFee` on the payer's channel."""
        assert caller.signed is not None, "authenticate refuses unsigned calls"
        try:
            admission = await self._payments.admit(
                caller.signed,
                request_id=request_id,
                adapter_key=self._registrations.adapter_key_of(prepared.adapter),
                prompt_tokens=len(prepared.prompt_ids),
                max_new_tokens=prepared.most_output_tokens,
                now=int(time.time()),
            )
        except ChannelUnknown as error:
            raise PaymentRequired(str(error), self._payments.receiver, caller.signed.request.max_fee) from error
        return Ticket(
            request_id,
            prepared,
            tenant=caller.tenant,  # not the payer: anybody can fund a channel that names another address as its payer
            granted_tokens=admission.granted_tokens // prepared.choices,
            started_at=admission.started_at,
            admission=admission,
            headers=self._response(admission.channel, None),
        )

    async def record(self, ticket: Ticket, end: End, prompt: bytes, output: bytes) -> Receipt:
        """Charges the channel and returns the signed receipt."""
        assert ticket.admission is not None, "every ticket of a paid node has its admission"
        now = int(time.time())
        issued = await self._metering.record(ticket.admission, end, prompt=prompt, output=output, now=now)
        channel = issued.channel or ticket.admission.channel
        return Receipt(self._labels.with_lines(issued.to_json()), self._response(channel, issued.receipt))

    async def release(self, ticket: Ticket) -> None:
        """Returns the reservation to the channel."""
        await self._payments.release(ticket.request_id)

    def _bounds(self, max_new_tokens: int | None, choices: int) -> tuple[int, int]:
        """The most prompt and output tokens of a request whose prompt is not tokenised."""
        context = self._context_tokens
        return context, choices * min(max_new_tokens or context, context)

    def _response(self, channel: Channel, receipt: UsageReceipt | None) -> dict[str, str]:
        return {PAYMENT_RESPONSE: to_header(payment_response(self._payments.receiver, channel, receipt))}
