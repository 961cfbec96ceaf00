"""Which sequence runs next: flows that run nothing first, and preempted sequences before new ones."""

from serving.engine.ready_queue import ReadyQueue
from serving.engine.sequence import Sequence, Stage
from tests.serving.engine.test_scheduler import World

WORLD = World(pages=1_000)


def sequence(tenant: str, seniority: int | None = None) -> Sequence:
    made = WORLD.submit(tenant=tenant)
    made.seniority = seniority
    return made


def order(queue: ReadyQueue) -> list[Sequence]:
    taken = []
    while (following := queue.next()) is not None:
        queue.take(following)
        taken.append(following)
    return taken


def test_preempted_sequences_come_by_seniority_before_new_ones() -> None:
    queue = ReadyQueue()
    new, second, first = sequence("t"), sequence("t", 7), sequence("t", 3)
    for each in (new, second, first):
        queue.push(each)

    assert {each.stage for each in queue} == {Stage.READY}
    assert queue.resumed == [first, second]
    assert order(queue) == [first, second, new]
    assert len(queue) == 0


def test_a_new_sequence_of_a_flow_that_runs_nothing_comes_before_a_preempted_one_of_a_flow_that_runs() -> None:
    queue = ReadyQueue()
    runs, preempted, new = sequence("busy"), sequence("busy", 1), sequence("idle")
    queue.row_begun(runs)
    queue.push(preempted)
    queue.push(new)

    assert queue.is_newcomer(new)
    assert not queue.is_newcomer(preempted)
    assert order(queue) == [new, preempted]

    queue.row_ended(runs)
    assert queue.is_newcomer(preempted)


def test_removed_sequences_are_not_next() -> None:
    queue = ReadyQueue()
    new, preempted = sequence("t"), sequence("t", 1)
    queue.push(new)
    queue.push(preempted)

    queue.remove(preempted)
    queue.remove(new)

    assert queue.next() is None
