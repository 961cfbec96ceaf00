"""Turns an ended request into a receipt: one database transaction numbers, charges, signs and stores it.

Prompt, output and the salts of their commitments are never stored. The newest SALTS_KEPT salts stay in memory, so that
a repeated `record` returns the same receipt with its salts; no backup contains them.
"""

import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace

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
from node.payments.announcement import charge_of_whole_answer
from node.payments.authentication import VerifiedRequest
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


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A stored receipt, its channel afterwards, and the charge that was announced for it."""

    stored: StoredReceipt
    channel: Channel
    announced: int = 0


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
        recorded = await self._database.write(lambda session: self._record(session, admission, end, commitments, now))
        receipt = recorded.stored.receipt
        known = receipt.prompt_commit == commitments[0] and receipt.output_commit == commitments[1]
        return IssuedReceipt(
            receipt=receipt,
            signature=recorded.stored.signature,
            prompt_salt=salts[0] if known else None,
            output_salt=salts[1] if known else None,
            lines=lines(receipt.fee, admission.sale.price_list, admission.sale.terms) if receipt.fee else {},
            channel=recorded.channel,
            announced=recorded.announced,
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
    ) -> _Recorded:
        """Charges the reservation; numbers, signs and stores the receipt. Returns the known receipt if there is one."""
        known = receipts.of_request(session, admission.request_id)
        if known is not None:
            return _Recorded(known, channels.get(session, admission.verified.channel_id))
        held = reservations.take(session, admission.request_id)
        head = ledger.head(session, self._receiver.vault)
        # a time that cannot be trusted dates nothing: the receipt then ends when it began
        ended_at = self._clock.time(now, self._registrations.head_time()) or admission.started_at
        finished_at = max(ended_at, admission.started_at, head.last_finished_at)
        receipt = _draft(admission, end, commitments, finished_at)
        fee = self._due(admission, end, held, finished_at)
        announced = _announced(session, admission, held, fee)
        channel = _charged(session, receipt, held, fee, announced)
        if channel is not None:
            voucher = _voucher(admission, channel)
            receipt = replace(
                receipt,
                seq=head.last_seq + 1,
                request_digest=admission.verified.request_digest,
                fee=fee,
                cum_before=channel.charged - fee,
                voucher_max=voucher.max_claimable_amount,
            )
            self._number(session, admission, receipt, voucher, head)
        else:
            channel, announced = _uncharged(session, admission, held, fee), 0
        check_form(receipt)
        stored = self._signed(admission, receipt)
        receipts.add(session, stored)
        return _Recorded(stored, channel, announced)

    def _signed(self, admission: Admission, receipt: UsageReceipt) -> StoredReceipt:
        signature = self._signer.sign(receipt.digest(self._receiver.domain))
        signed = admission.verified if isinstance(admission.verified, VerifiedRequest) else None
        return StoredReceipt(
            admission.request_id,
            receipt,
            signature,
            admission.payer,
            signed.request if signed is not None else None,
            signed.request_signature if signed is not None else None,
        )

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
        self, session: Session, admission: Admission, receipt: UsageReceipt, voucher: KeptVoucher, head: Head
    ) -> None:
        """Adds the receipt to the ledger, and keeps the voucher, price list and terms that it names as evidence."""
        vouchers.keep(session, voucher)
        preimages.keep(session, receipt.price_hash, admission.sale.price_list)
        if admission.sale.terms is not None:
            preimages.keep(session, receipt.terms_hash, admission.sale.terms)
        ledger.advance(session, receipt.node, Head(receipt.seq, receipt.finished_at, head.charged + receipt.fee))


def _announced(session: Session, admission: Admission, held: Reservation | None, fee: int) -> int:
    """The charge to announce with a whole answer; 0 if it was announced before, or to a client that signs requests."""
    if held is None or held.voucher_max is None or held.announced:
        return 0
    return charge_of_whole_answer(fee, channels.get(session, held.channel_id).credit)


def _charged(
    session: Session, receipt: UsageReceipt, held: Reservation | None, fee: int, announced: int
) -> Channel | None:
    """The channel after the fee is charged and the reservation freed; None, without changes, if there is no charge."""
    if held is None or fee == 0:
        return None
    return channels.charge(session, receipt.channel_id, held=held.amount, fee=fee, announce=announced)


def _voucher(admission: Admission, channel: Channel) -> KeptVoucher:
    """The voucher that the receipt names: the one that was spent, else the channel's newest."""
    if isinstance(admission.verified, VerifiedRequest):
        return KeptVoucher(channel.channel_id, channel.signed_max, channel.signed_max_signature)
    spent = admission.verified.voucher
    assert channel.charged <= admission.verified.voucher_max, "a channel is the spent voucher's alone"
    return KeptVoucher(channel.channel_id, spent.voucher.max_claimable_amount, spent.signature)


def _uncharged(session: Session, admission: Admission, held: Reservation | None, fee: int) -> Channel:
    """The channel after its reservation is freed without a charge."""
    channel_id = admission.verified.channel_id
    if held is not None:
        channels.unreserve(session, channel_id, held.amount)
    if fee:  # the payer withdrew before the node could claim, which is the operator's risk
        log.warning("fee_forgone", generation_id=admission.request_id, fee=str(fee), escrowed=False)
    return channels.get(session, channel_id)


def _draft(admission: Admission, end: End, commitments: tuple[Bytes32, Bytes32], finished_at: int) -> UsageReceipt:
    """The receipt without number and amounts. Where nothing is charged, it is signed like this.

    A voucher is not spent then, and may pay for another request: the receipt does not name it.
    """
    verified, sale, usage = admission.verified, admission.sale, end.usage
    signed = isinstance(verified, VerifiedRequest)
    return UsageReceipt(
        node=sale.price_list.node,
        seq=0,
        channel_id=verified.channel_id,
        request_digest=verified.request_digest if signed else ZERO_BYTES32,
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
