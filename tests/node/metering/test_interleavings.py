"""Any order of deposits, vouchers, admissions, records, releases, withdrawals and restarts keeps the books right."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from attribution.transition import Ledger, LedgerState, apply
from contracts.crypto import Bytes32
from contracts.fees import usage_fee
from contracts.structs import UsageReceipt
from node.payments.admission import Admission
from node.payments.errors import ChannelUnknown, PaymentRequired, VoucherStale
from node.settlement.records import reading
from serving.types import Outcome
from tests.node.payments.payer import BODY, NOW, PATH, Payer
from tests.node.payments.shop import PRICES, RECEIVER, TERMS, Shop, ended, evidence_of, open_shop

UNIT = PRICES.min_fee
amounts = st.integers(0, 60).map(lambda units: units * UNIT)
PAYERS = tuple(Payer(RECEIVER, salt=Bytes32(bytes([i]) * 32)) for i in range(2))
payers = st.sampled_from(PAYERS)


class Books(RuleBasedStateMachine):
    """The node under test beside plain numbers of what must be true of each channel."""

    running = Bundle("running")
    finished = Bundle("finished")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.stack = AsyncExitStack()
        self.now = NOW
        self.count = 0
        self.signed = {payer.channel_id: 0 for payer in PAYERS}
        self.held: dict[Bytes32, dict[str, int]] = {payer.channel_id: {} for payer in PAYERS}
        self.fees: dict[Bytes32, list[int]] = {payer.channel_id: [] for payer in PAYERS}

    @initialize(deposits=st.tuples(amounts, amounts))
    def open(self, deposits: tuple[int, int]) -> None:
        self.shop = self._open(None)
        for payer, amount in zip(PAYERS, deposits, strict=True):
            self.runner.run(self.shop.funded(payer, amount + UNIT))

    @rule(payer=payers, amount=amounts)
    def deposit(self, payer: Payer, amount: int) -> None:
        self.shop.escrow.deposit(payer.channel_id, amount)

    @rule(payer=payers, signed_max=amounts)
    def post_voucher(self, payer: Payer, signed_max: int) -> None:
        add = self.shop.payments.channels.add_voucher(
            payer.channel_id, payer.voucher(signed_max).to_payload(), self._tick()
        )
        try:
            self.runner.run(add)
        except VoucherStale:
            assert signed_max <= sum(self.fees[payer.channel_id])
        else:
            self._sign(payer, signed_max)

    @rule(target=running, payer=payers, max_fee=amounts, signed_max=st.none() | amounts, spare=st.integers(1, 9))
    def admit(self, payer: Payer, max_fee: int, signed_max: int | None, spare: int) -> object:
        self.count += 1
        request_id = f"r{self.count}"
        max_fee = max(max_fee, usage_fee(PRICES, spare, 0, spare))
        if signed_max is not None:
            self._sign(payer, signed_max)
        fits = max_fee <= self._capacity(payer)
        request = payer.request(
            max_fee=max_fee,
            price_hash=PRICES.struct_hash(),
            adapter_key=TERMS.adapter_key,
            deadline=self._tick() + 60,
        )
        headers = payer.headers(request, None if signed_max is None else payer.voucher(signed_max))
        ask = self.shop.payments.authenticate(headers, "POST", PATH, BODY, self.now)
        try:
            admission = self.runner.run(
                self.shop.admit(ask, request_id, prompt_tokens=spare, max_new_tokens=spare, now=self.now)
            )
        except (PaymentRequired, VoucherStale, ChannelUnknown):
            assert not fits
            return multiple()
        assert fits
        self.held[payer.channel_id][request_id] = max_fee
        return admission

    @rule(
        target=finished,
        admission=consumes(running),
        outcome=st.sampled_from(Outcome),
        tokens=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    )
    def record(self, admission: Admission, outcome: Outcome, tokens: tuple[int, int]) -> object:
        used = min(tokens[0], admission.granted_tokens)
        end = ended(outcome, prompt_tokens=admission.granted_tokens, output_tokens=used)
        receipt = self._record(admission, end)
        channel_id = admission.verified.request.channel_id
        if self.held[channel_id].pop(admission.request_id, None) is None:
            assert receipt.fee == 0, "a reservation that a restart released is not charged"
        assert receipt.fee <= admission.reserved
        if receipt.fee:
            self.fees[channel_id].append(receipt.fee)
        return admission, receipt

    @rule(done=finished)
    def record_again(self, done: tuple[Admission, UsageReceipt]) -> None:
        assert self._record(done[0], ended()) == done[1]

    @rule(admission=consumes(running))
    def release(self, admission: Admission) -> None:
        self.runner.run(self.shop.payments.release(admission.request_id))
        self.held[admission.verified.request.channel_id].pop(admission.request_id, None)

    @rule(payer=payers, amount=amounts)
    def begin_withdrawal(self, payer: Payer, amount: int) -> None:
        self.shop.escrow.initiate_withdraw(payer.channel_id, amount)
        self.runner.run(self.shop.payments.channels.refresh(payer.channel_id))

    @rule(payer=payers)
    def end_withdrawal(self, payer: Payer) -> None:
        """The node claims what it charged before the delay ends; that is why channels have one."""
        self.shop.escrow.claim(payer.channel_id, sum(self.fees[payer.channel_id]))
        self.shop.escrow.finalize_withdraw(payer.channel_id)
        self.runner.run(self.shop.payments.channels.refresh(payer.channel_id))

    @rule()
    def restart(self) -> None:
        escrow = self.shop.escrow
        self.runner.run(self.stack.aclose())
        self.shop = self._open(escrow)
        for held in self.held.values():
            held.clear()

    @invariant()
    def books_are_right(self) -> None:
        for payer in PAYERS:
            channel = self.runner.run(self.shop.channel(payer))
            assert channel.charged == sum(self.fees[payer.channel_id])
            assert channel.reserved == sum(self.held[payer.channel_id].values())
            assert channel.signed_max == self.signed[payer.channel_id]
            escrowed = self.shop.escrow.channels[payer.channel_id].balance
            assert channel.charged <= min(channel.signed_max, escrowed), "charged above what is signed or escrowed"

    def teardown(self) -> None:
        if hasattr(self, "shop"):
            self._judge()
            self.runner.run(self.stack.aclose())
        self.runner.close()
        self.folder.cleanup()

    def _judge(self) -> None:
        """Every numbered receipt is a valid transition, from the first to the last: they tile, in order, gap-free."""
        state = LedgerState.genesis(Ledger(RECEIVER.vault, RECEIVER.token, RECEIVER.domain))
        for evidenced in self.runner.run(self.shop.database.read(reading(RECEIVER.vault, 1, 10_000))):
            state = apply(state, evidenced.stored.receipt, evidence_of(evidenced))
        assert state.cum_total == sum(map(sum, self.fees.values()))
        assert self.runner.run(self.shop.receipts.head(RECEIVER.vault)).last_seq == state.seq

    def _open(self, escrow: object) -> Shop:
        url = f"sqlite:///{Path(self.folder.name)}/node.db"
        self.stack = AsyncExitStack()
        return self.runner.run(self.stack.enter_async_context(open_shop(url, escrow)))  # type: ignore[arg-type]

    def _record(self, admission: Admission, end: object) -> UsageReceipt:
        record = self.shop.metering.record(admission, end, prompt=b"", output=b"", now=self._tick())  # type: ignore[arg-type]
        return self.runner.run(record).receipt

    def _sign(self, payer: Payer, signed_max: int) -> None:
        self.signed[payer.channel_id] = max(self.signed[payer.channel_id], signed_max)

    def _capacity(self, payer: Payer) -> int:
        escrowed = self.shop.escrow.channels[payer.channel_id]
        ceiling = min(self.signed[payer.channel_id], max(escrowed.balance - escrowed.pending_withdraw, 0))
        return ceiling - sum(self.fees[payer.channel_id]) - sum(self.held[payer.channel_id].values())

    def _tick(self) -> int:
        self.now += 5
        return self.now


def test_no_interleaving_breaks_the_books() -> None:
    run_state_machine_as_test(Books, settings=settings(max_examples=15, stateful_step_count=25, deadline=None))
