"""The wait doubles, ends with a success, and counts simultaneous failures once."""

from node.chain.backoff import FIRST_S, LONGEST_S, Backoff


def test_the_wait_doubles_up_to_a_limit_and_a_success_ends_it() -> None:
    backoff, waits = Backoff(), []
    for turn in range(10):
        backoff.fail(turn * 1_000, turn * 1_000)
        waits.append(backoff.wait_s(turn * 1_000))

    assert waits[:4] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert waits[-1] == LONGEST_S
    backoff.succeed()
    assert backoff.wait_s(0) == 0


def test_calls_that_ran_together_count_once() -> None:
    backoff = Backoff()
    for _ in range(20):
        backoff.fail(began_at=10, now=11)

    assert backoff.wait_s(11) == FIRST_S


def test_what_the_endpoint_asks_for_counts_within_the_limit() -> None:
    asking, absurd = Backoff(), Backoff()
    asking.fail(0, 0, asked_s=7)
    absurd.fail(0, 0, asked_s=10**9)

    assert (asking.wait_s(0), absurd.wait_s(0)) == (7, LONGEST_S)
