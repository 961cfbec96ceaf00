"""Turns an ended request into a receipt: one database transaction numbers, charges, signs and stores it.

Prompt, output and the salts of their commitments are never stored. The newest SALTS_KEPT salts stay in memory, so that
a repeated `record` returns the same receipt with its salts; no backup contains them.
"""

import secrets
from collections import OrderedDict
from dataclasses import replace

import structlog
from sqlalchemy.orm import Session

from attribution.receipts import check_form
from attribution.split import lines
from contracts.crypto import ZERO_BYTES32, Bytes32, Signer
from contracts.encoding import commitment
from contracts.structs import REGISTERED_WEIGHTS, UsageReceipt
from node.metering.bill import collectable, fee_of, status_of
from node.metering.issued import IssuedReceipt
from node.payments.admission import Admission
from node.payments.clock import ClockTolerance
from node.payments.receiver import Receiver
from node.payments.registrations import Registrations
from node.payments.sales import Sales
from node.store import channels, ledger, preimages, receipts, reservations, vouchers
from node.store.channels import Channel
from node.store.database import Database
from node.store.ledger import Head
from node.store.receipts import StoredReceipt
from node.store.reservations import Reservation
from node.store.vouchers import KeptVoucher
from serving.types import End

SALTS_KEPT = 4096

log = structlog.get_logger()


class Metering:
    """The receipts of one paid node."""

    def __init__(
        self,
        database: Database,
        receiver: Receiver,
        registrations: Registrations,
        signer: Signer,
        *,
        sales: Sales | None = None,
        clock: ClockTolerance | None = None,
    ) -> None:
        self._database, self._receiver, self._registrations, self._signer = database, receiver, registrations, signer
        self._sales, self._clock = sales or Sales(), clock or ClockTolerance.of_chain(receiver.chain_id)
        self._salts: OrderedDict[str, tuple[Bytes32, Bytes32]] = OrderedDict()

    async def record(self, admission: Admission, end: End, *, prompt: bytes, output: bytes, now: int) -> IssuedReceipt:
        """The receipt of an admitted request that ended; it is on disk when this returns. `now` in unix seconds.

        Charges the fee, at most what was reserved, and frees the rest of the reservation. A second call for the same
        request changes nothing and returns the same receipt.
        """
        salts = self._salts_of(admission.request_id)
        commitments = commitment(salts[0], prompt), commitment(salts[1], output)
        stored, channel = await self._database.write(
            lambda session: self._record(session, admission, end, commitments, now)
        )
        receipt = stored.receipt
        known = receipt.prompt_commit == commitments[0] and receipt.output_commit == commitments[1]
        return IssuedReceipt(
            receipt=receipt,
            signature=stored.signature,
            prompt_salt=salts[0] if known else None,
            output_salt=salts[1] if known else None,
            lines=lines(receipt.fee, admission.sale.price_list, admission.sale.terms) if receipt.fee else {},
            channel=channel,
        )

    def _salts_of(self, request_id: str) -> tuple[Bytes32, Bytes32]:
        salts = self._salts.get(request_id)
        if salts is None:
            salts = Bytes32(secrets.token_bytes(32)), Bytes32(secrets.token_bytes(32))
            self._salts[request_id] = salts
            if len(self._salts) > SALTS_KEPT:
                self._salts.popitem(last=False)
        return salts

    def _record(
        self, session: Session, admission: Admission, end: End, commitments: tuple[Bytes32, Bytes32], now: int
    ) -> tuple[StoredReceipt, Channel]:
        """Charges the reservation; numbers, signs and stores the receipt. Returns the known receipt if there is one."""
        known = receipts.of_request(session, admission.request_id)
        if known is not None:
            return known, channels.get(session, admission.verified.request.channel_id)
        held = reservations.take(session, admission.request_id)
        head = ledger.head(session, self._receiver.vault)
        # a time that cannot be trusted dates nothing: the receipt then ends when it began
        ended_at = self._clock.time(now, self._registrations.head_time()) or admission.started_at
        finished_at = max(ended_at, admission.started_at, head.last_finished_at)
        receipt = _draft(admission, end, commitments, finished_at)
        fee = self._due(admission, end, held, finished_at)
        channel = channels.charge(session, receipt.channel_id, held=held.amount, fee=fee) if held and fee else None
        if channel is not None:
            receipt = replace(
                receipt,
                seq=head.last_seq + 1,
                fee=fee,
                cum_before=channel.charged - fee,
                voucher_max=channel.signed_max,
            )
            self._number(session, admission, receipt, channel, head)
        else:
            channel = _uncharged(session, admission, held, fee)
        check_form(receipt)
        signature = self._signer.sign(receipt.digest(self._receiver.domain))
        stored = StoredReceipt(
            admission.request_id,
            receipt,
            signature,
            admission.payer,
            admission.verified.request,
            admission.verified.request_signature,
        )
        receipts.add(session, stored)
        return stored, channel

    def _due(self, admission: Admission, end: End, held: Reservation | None, finished_at: int) -> int:
        """What is charged: the fee, or 0 if nothing is due or no valid receipt could contain the fee."""
        fee = fee_of(end, admission.sale)
        covered = held is not None and fee <= held.amount
        valid = collectable(
            admission.sale, self._registrations, started_at=admission.started_at, finished_at=finished_at
        )
        stopped = self._sales.stopped  # a ledger that is in conflict gets no further receipt
        if fee and (stopped is not None or not (covered and valid)):
            log.warning(
                "fee_forgone",
                generation_id=admission.request_id,
                fee=str(fee),
                covered=covered,
                valid=valid,
                stopped=stopped,
            )
            return 0
        return fee

    def _number(
        self, session: Session, admission: Admission, receipt: UsageReceipt, channel: Channel, head: Head
    ) -> None:
        """Adds the receipt to the ledger, and keeps the voucher, price list and terms that it names as evidence."""
        vouchers.keep(session, KeptVoucher(channel.channel_id, channel.signed_max, channel.signed_max_signature))
        preimages.keep(session, receipt.price_hash, admission.sale.price_list)
        if admission.sale.terms is not None:
            preimages.keep(session, receipt.terms_hash, admission.sale.terms)
        ledger.advance(session, receipt.node, Head(receipt.seq, receipt.finished_at, head.charged + receipt.fee))


def _uncharged(session: Session, admission: Admission, held: Reservation | None, fee: int) -> Channel:
    """The channel after its reservation is freed without a charge."""
    channel_id = admission.verified.request.channel_id
    if held is not None:
        channels.unreserve(session, channel_id, held.amount)
    if fee:  # the payer withdrew before the node could claim, which is the operator's risk
        log.warning("fee_forgone", generation_id=admission.request_id, fee=str(fee), escrowed=False)
    return channels.get(session, channel_id)


def _draft(admission: Admission, end: End, commitments: tuple[Bytes32, Bytes32], finished_at: int) -> UsageReceipt:
    """The receipt without number and amounts. Where nothing is charged, it is signed like this."""
    request, sale, usage = admission.verified.request, admission.sale, end.usage
    return UsageReceipt(
        node=request.node,
        seq=0,
        channel_id=request.channel_id,
        request_digest=admission.verified.request_digest,
        adapter_key=sale.adapter_key,
        price_hash=sale.price_hash,
        terms_hash=sale.terms_hash,
        shares_hash=ZERO_BYTES32,
        attribution_version=REGISTERED_WEIGHTS,
        prompt_commit=commitments[0],
        output_commit=commitments[1],
        tokens_in=usage.prompt_tokens,
        tokens_cached=usage.cached_tokens,
        tokens_out=usage.output_tokens,
        fee=0,
        cum_before=0,
        voucher_max=0,
        started_at=admission.started_at,
        finished_at=finished_at,
        status=status_of(end),
    )
