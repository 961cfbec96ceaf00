"""The law of the account: whatever happens in whatever order, a signed request is admitted and no more is promised."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.crypto import ZERO_BYTES32
from node.client.account import Account, Promise
from node.client.errors import DepositTooSmall, Overcharged
from node.client.wire import ChannelReport

ACTIONS = ("sign", "sign", "refresh", "arrive", "refuse", "finish", "lose", "learn")
STAGE_OF = {"arrive": "signed", "refuse": "signed", "finish": "running", "lose": "running", "learn": "finished"}
"""Which requests an action is about."""


@dataclass
class Ledger:
    """The node's side: PROTOCOL's admission rule over one channel."""

    balance: int
    signed_max: int = 0
    charged: int = 0
    reserved: dict[int, int] = field(default_factory=dict)

    def admit(self, nonce: int, max_fee: int, voucher: int) -> bool:
        self.signed_max = max(self.signed_max, voucher)
        if min(self.signed_max, self.balance) - self.charged - sum(self.reserved.values()) < max_fee:
            return False
        self.reserved[nonce] = max_fee
        return True

    def charge(self, nonce: int, fee: int) -> int:
        assert fee <= self.reserved.pop(nonce)
        self.charged += fee
        return self.charged

    def view(self) -> ChannelReport:
        return ChannelReport(
            ZERO_BYTES32, self.balance, self.charged, sum(self.reserved.values()), self.signed_max, 0, None
        )


@dataclass
class Request:
    """Where one request is: signed (on its way), running at the node, finished (its receipt on its way)."""

    max_fee: int
    voucher: int
    stage: str = "signed"
    cumulative: int = 0


@dataclass
class Market:
    """One payer and one node. Messages between them are delayed at will; `check` is the law."""

    balance: int
    now: int = 0

    def __post_init__(self) -> None:
        self.ledger, self.account = Ledger(self.balance), Account(balance=self.balance)
        self.requests: dict[int, Request] = {}
        self._nonce = 0

    def at(self, stage: str) -> list[int]:
        return [nonce for nonce, request in self.requests.items() if request.stage == stage]

    def sign(self, max_fee: int) -> None:
        self._nonce += 1
        required = self.account.charged + self.account.outstanding + max_fee
        promise = Promise(self._nonce, max_fee, expires_at=self.now + 1000)
        if required > self.balance:
            with pytest.raises(DepositTooSmall):
                self.account.promise(promise)
            return
        self.account = self.account.promise(promise)
        self.requests[self._nonce] = Request(max_fee, self.account.covering(promise))

    def arrive(self, nonce: int) -> None:
        request = self.requests[nonce]
        assert self.ledger.admit(nonce, request.max_fee, request.voucher)
        request.stage = "running"

    def refuse(self, nonce: int) -> None:
        self.account = self.account.release(nonce)
        del self.requests[nonce]

    def finish(self, nonce: int, fee: int) -> None:
        request = self.requests[nonce]
        request.cumulative = self.ledger.charge(nonce, min(fee, request.max_fee))
        request.stage = "finished"

    def learn(self, nonce: int) -> None:
        self.account = self.account.settle(nonce, self.requests.pop(nonce).cumulative)

    def lose(self, nonce: int, fee: int) -> None:
        """The client leaves; the node stops and bills at once."""
        self.account = self.account.lose(nonce)
        self.ledger.charge(nonce, min(fee, self.requests.pop(nonce).max_fee))

    def refresh(self) -> None:
        self.account = self.account.refresh(self.ledger.view(), proven_max=0, now=self.now)

    def check(self) -> None:
        assert self.account.charged <= self.ledger.charged <= self.account.signed_max <= self.balance
        assert self.ledger.signed_max <= self.account.signed_max


@settings(max_examples=300, deadline=None)
@given(st.data(), st.integers(0, 500))
def test_a_signed_request_is_always_admitted_under_any_interleaving(data: st.DataObject, balance: int) -> None:
    market = Market(balance)
    amount = st.integers(0, 60)

    for action in data.draw(st.lists(st.sampled_from(ACTIONS), max_size=60)):
        signed_max, stage = market.account.signed_max, STAGE_OF.get(action)
        if stage is None:
            market.sign(1 + data.draw(amount)) if action == "sign" else market.refresh()
        elif market.at(stage):
            nonce = data.draw(st.sampled_from(market.at(stage)))
            bills = action in ("finish", "lose")
            getattr(market, action)(nonce, *([data.draw(amount)] if bills else []))
        market.now += 1
        market.check()
        assert market.account.signed_max >= signed_max

    for nonce in market.at("signed"):
        market.arrive(nonce)


def test_requests_in_flight_are_covered_together() -> None:
    first, second, third = (Promise(nonce, 30, 10) for nonce in (1, 2, 3))
    account = Account(balance=100).promise(first).promise(second)
    assert account.covering(second) == 60

    account = account.settle(1, 5).promise(third)
    assert account.covering(third) == 65
    with pytest.raises(DepositTooSmall) as refused:
        account.promise(Promise(4, 36, 10))
    assert (refused.value.required, refused.value.balance) == (101, 100)


def test_a_small_request_after_a_large_one_promises_little() -> None:
    small = Promise(2, 5, 10)
    account = Account(balance=100).promise(Promise(1, 90, 10)).settle(1, 1).promise(small)

    assert account.covering(small) == 6
    assert account.signed_max == 90


def test_what_other_places_take_up_is_covered_too() -> None:
    promise = Promise(1, 5, 10)

    assert Account(balance=100).promise(promise, elsewhere=40).covering(promise, elsewhere=40) == 45


def test_a_receipt_is_believed_up_to_what_was_signed_here() -> None:
    account = Account(balance=100).promise(Promise(1, 10, 10)).settle(1, 80)

    assert account.charged == 10


def test_charges_beyond_every_known_voucher_are_not_believed() -> None:
    view = ChannelReport(ZERO_BYTES32, 100, 50, 0, 50, 0, None)

    with pytest.raises(Overcharged, match="50"):
        Account(balance=100, signed_max=49).refresh(view, proven_max=0, now=0)
    assert Account(balance=100, signed_max=49).refresh(view, proven_max=50, now=0).charged == 50


def test_a_lost_promise_is_kept_while_the_node_may_still_bill_it() -> None:
    account = Account(balance=100).promise(Promise(1, 10, expires_at=500)).lose(1)
    busy = ChannelReport(ZERO_BYTES32, 100, 0, 10, 10, 0, None)

    assert account.needs_refresh(now=0)
    assert account.refresh(busy, 10, now=0).outstanding == 10
    assert account.refresh(busy, 10, now=500).outstanding == 0
    assert account.refresh(replace(busy, reserved=0, charged=7), 10, now=0) == Account(7, 100, 10)
