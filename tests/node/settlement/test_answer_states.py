"""When a demand puts the stake at risk, and what the operator sees of it."""

import pytest

from attribution.split import TREASURY
from contracts.crypto import keccak, to_address
from node.chain.demands import Demand
from node.settlement.answer_states import NEAR_S, AnswerState, Progress, answer_state
from node.store.outbox import Outgoing, State

NODE, AUTHOR = to_address("0x" + "11" * 20), to_address("0x" + "22" * 20)
DEADLINE = 1_800_000_000
DEMAND = Demand(NODE, 3, 2, AUTHOR, 10**15, DEADLINE)


def sent(state: State, failure: str | None = None, *, mined: bool = False) -> Outgoing:
    mined_hash = keccak(b"mined") if mined else None
    plain = (DEMAND.intent, NODE, NODE, b"", state, 1, 1, failure, mined_hash, None, None, None, None, 0, 0)
    return Outgoing(1, *plain)


@pytest.mark.parametrize(
    ("outgoing", "progress"),
    [
        (None, Progress.WAITS),
        (sent(State.INTENDED, "Gas costs 900 gwei now"), Progress.WAITS),
        (sent(State.SIGNED), Progress.SENT),
        (sent(State.BROADCAST), Progress.SENT),
        (sent(State.MINED, mined=True), Progress.SENT),
        (sent(State.FINAL, mined=True), Progress.SENT),
        (sent(State.FAILED, "NoDemand(0x12)"), Progress.OVERTAKEN),
        (sent(State.FAILED, "UnknownHeader(0x1, 2, 0x3)"), Progress.OVERTAKEN),
        (sent(State.FAILED, "reverted when it was mined", mined=True), Progress.WAITS),
        (sent(State.FAILED, "WrongFee(1, 2)"), Progress.REFUSED),
        (sent(State.FAILED, None), Progress.REFUSED),
    ],
)
def test_the_outbox_says_how_far_an_answer_is(outgoing: Outgoing | None, progress: Progress) -> None:
    assert answer_state(DEMAND, outgoing).progress is progress


@pytest.mark.parametrize("progress", Progress)
def test_the_stake_is_at_risk_near_the_deadline_or_without_hope(progress: Progress) -> None:
    state = AnswerState(DEMAND, progress)

    early, late = state.at_risk(DEADLINE - NEAR_S - 1), state.at_risk(DEADLINE - NEAR_S)

    assert early is (progress in {Progress.REFUSED, Progress.IMPOSSIBLE})
    assert late is (progress is not Progress.OVERTAKEN)


def test_a_demand_is_shown_with_its_deadline_bond_and_answer() -> None:
    state = answer_state(DEMAND, sent(State.FAILED, "WrongFee(1, 2)"))
    payee = AnswerState(Demand(NODE, 1, TREASURY, AUTHOR, 1, DEADLINE), Progress.WAITS)

    assert str(state) == (
        "the demand for leaf 2 of epoch 3 must be answered by 2027-01-15T08:00:00Z; the answer is refused by the "
        "contracts: WrongFee(1, 2)"
    )
    assert (state.to_json()["bond"], state.to_json()["answer"]) == ("1000000000000000", "refused")
    assert str(payee).startswith(f"the demand for the payee 2:0x{'00' * 32} of epoch 1 must be answered by")
