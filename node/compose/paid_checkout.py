"""The checkout of a paid node: signatures, then a reservation, then a receipt that charges."""

import time

from contracts.payment import PAYMENT_RESPONSE, to_header
from contracts.structs import UsageReceipt
from node.metering.checkout import Ask, Call, Receipt, Ticket
from node.metering.metering import Metering
from node.metering.payee_labels import Labels
from node.payments.challenge import payment_response
from node.payments.errors import ChannelUnknown, PaymentRequired
from node.payments.payments import Payments
from node.payments.registrations import Registrations
from node.store.channels import Channel
from serving.service import Service
from serving.types import End, Prepared


class PaidCheckout:
    """Every request is signed for; `node.payments` decides, `node.metering` charges."""

    def __init__(
        self, payments: Payments, metering: Metering, registrations: Registrations, service: Service, labels: Labels
    ) -> None:
        self._payments, self._metering, self._registrations = payments, metering, registrations
        self._service, self._labels = service, labels

    async def authenticate(self, call: Call, model: str, max_new_tokens: int | None, choices: int) -> Ask:
        """A call without payment learns the most it can cost; nothing of it is tokenised."""
        key = self._registrations.adapter_key_of(self._service.resolve(model))
        now = int(time.time())
        try:
            signed = self._payments.authenticate(call.headers, call.method, call.path_with_query, call.body, now)
        except PaymentRequired:
            raise self._payments.payment_required(key, *self._bounds(max_new_tokens, choices), now) from None
        return Ask(call, tenant=signed.signer, signed=signed)

    async def admit(self, ask: Ask, request_id: str, prepared: Prepared) -> Ticket:
        assert ask.signed is not None, "authenticate signs every ask of a paid node"
        try:
            admission = await self._payments.admit(
                ask.signed,
                request_id=request_id,
                adapter_key=self._registrations.adapter_key_of(prepared.adapter),
                prompt_tokens=len(prepared.prompt_ids),
                max_new_tokens=prepared.most_output_tokens,
                now=int(time.time()),
            )
        except ChannelUnknown as error:
            raise PaymentRequired(str(error), self._payments.receiver, ask.signed.request.max_fee) from error
        return Ticket(
            request_id,
            prepared,
            tenant=ask.tenant,  # not the payer: anybody can fund a channel that names somebody else as its payer
            granted_tokens=admission.granted_tokens // prepared.choices,
            started_at=admission.started_at,
            admission=admission,
            headers=self._response(admission.channel, None),
        )

    async def record(self, ticket: Ticket, end: End, prompt: bytes, output: bytes) -> Receipt:
        assert ticket.admission is not None, "every ticket of a paid node has its admission"
        now = int(time.time())
        issued = await self._metering.record(ticket.admission, end, prompt=prompt, output=output, now=now)
        channel = issued.channel or ticket.admission.channel
        return Receipt(self._labels.with_lines(issued.to_json()), self._response(channel, issued.receipt))

    async def release(self, ticket: Ticket) -> None:
        await self._payments.release(ticket.request_id)

    def _bounds(self, max_new_tokens: int | None, choices: int) -> tuple[int, int]:
        """The most prompt and output tokens of a request that nobody has tokenised."""
        context = self._service.context_tokens
        return context, choices * min(max_new_tokens or context, context)

    def _response(self, channel: Channel, receipt: UsageReceipt | None) -> dict[str, str]:
        return {PAYMENT_RESPONSE: to_header(payment_response(self._payments.receiver, channel, receipt))}
