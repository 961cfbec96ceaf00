"""Turns are shared by tokens, not by requests."""

import random

from hypothesis import given
from hypothesis import strategies as st

from serving.engine.fair_queue import QUANTUM_TOKENS, FairQueue

Item = tuple[str, int, int]  # flow, cost, number


def queue_of(items: list[Item]) -> FairQueue[Item]:
    queue: FairQueue[Item] = FairQueue(lambda item: item[0], lambda item: item[1])
    for item in items:
        queue.push(item)
    return queue


def drained(queue: FairQueue[Item]) -> list[Item]:
    return [queue.pop() for _ in range(len(queue))]


items = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4096), st.integers()), max_size=40)


@given(items)
def test_nothing_is_lost_and_a_flow_keeps_its_order(given_items: list[Item]) -> None:
    order = drained(queue_of(given_items))

    for flow in "abc":
        assert [item for item in order if item[0] == flow] == [item for item in given_items if item[0] == flow]
    assert len(order) == len(given_items)


@given(st.integers(100, 2000), st.integers(100, 2000))
def test_two_busy_flows_get_the_same_number_of_tokens(cost_a: int, cost_b: int) -> None:
    count = 20 * 2000
    queue = queue_of(
        [("a", cost_a, i) for i in range(count // cost_a)] + [("b", cost_b, i) for i in range(count // cost_b)]
    )
    tokens = {"a": 0, "b": 0}

    while min(tokens.values()) < count // 2:
        flow, cost, _ = queue.pop()
        tokens[flow] += cost
        assert abs(tokens["a"] - tokens["b"]) <= 2 * (QUANTUM_TOKENS + 2000)


def test_one_request_among_many_of_a_busy_flow_waits_one_turn() -> None:
    queue = queue_of([("busy", 100, i) for i in range(1000)] + [("rare", 100, 0)])

    assert ("rare", 100, 0) in [queue.pop() for _ in range(QUANTUM_TOKENS // 100 + 2)]


@given(items.filter(bool), st.data())
def test_the_turn_stays_until_it_is_taken(given_items: list[Item], data: st.DataObject) -> None:
    queue = queue_of(given_items)
    head = queue.peek()

    for item in data.draw(items):
        queue.push(item)

    assert queue.peek() == queue.pop() == head


def test_a_flow_with_nothing_under_way_goes_before_one_that_floods_for_one_turn() -> None:
    queue = queue_of([("flood", 100, i) for i in range(40)])
    for _ in range(3):
        queue.begin(queue.pop())
    for number in range(15):
        queue.push(("rare", 100, number))

    queue.begin(queue.pop())
    order = "".join(queue.pop()[0][0] for _ in range(30))

    turn = QUANTUM_TOKENS // 100
    assert order == "r" * (turn - 1) + "f" * (turn - 3) + "r" * 5 + "f" * (30 - 2 * turn - 1)


@given(st.integers(0, 10**6))
def test_whatever_begins_and_ends_nobody_saves_up_more_than_a_turn_and_an_item(seed: int) -> None:
    rng = random.Random(seed)
    cost = {flow: rng.randint(20, 1500) for flow in "abc"}
    queue: FairQueue[Item] = queue_of([])
    under_way: list[Item] = []
    for number in range(500):
        queue.push((flow := rng.choice("abc"), cost[flow], number))
        if rng.random() < 0.8 and len(queue):
            under_way.append(queue.pop())
            queue.begin(under_way[-1])
        while under_way and rng.random() < 0.4:
            queue.end(under_way.pop(rng.randrange(len(under_way))))

        assert all(credit < QUANTUM_TOKENS + 1500 for credit in queue.credits)
        assert queue.is_idle(("a", 1, 0)) == all(item[0] != "a" for item in under_way)
