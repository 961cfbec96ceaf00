"""One request at a time on a channel whose client signs vouchers only."""

import asyncio

import pytest

from contracts.crypto import keccak
from node.payments.errors import ChannelBusy
from node.payments.turns import Turns

ONE, OTHER = keccak(b"one"), keccak(b"other")


async def started(turns: Turns, *vouchers: int, order: list[int]) -> list["asyncio.Task[None]"]:
    """One waiting task per voucher; each notes its voucher in `order` when its turn comes."""

    async def wait(voucher_max: int) -> None:
        await turns.take(ONE, voucher_max)
        order.append(voucher_max)

    tasks = [asyncio.create_task(wait(voucher_max)) for voucher_max in vouchers]
    await asyncio.sleep(0)
    return tasks


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_turns_come_in_the_order_of_arrival_and_channels_do_not_wait_for_one_another() -> None:
    turns, order = Turns(), list[int]()
    await turns.take(ONE, 5)
    tasks = await started(turns, 6, 7, order=order)
    await turns.take(OTHER, 1)

    for _ in range(2):
        turns.end(ONE)
        await settled()

    assert order == [6, 7]
    assert all(task.done() for task in tasks)


async def test_a_client_that_was_told_how_to_sign_comes_before_those_that_wait() -> None:
    turns, order = Turns(), list[int]()
    await turns.take(ONE, 5)
    tasks = await started(turns, 6, 7, order=order)

    turns.end(ONE, expected=9)
    await settled()
    assert order == []
    await turns.take(ONE, 9)
    turns.end(ONE)
    await settled()

    assert order == [6]
    tasks[1].cancel()


async def test_a_client_that_does_not_come_back_holds_nobody_up_for_long() -> None:
    turns, order = Turns(grace_s=0.01), list[int]()
    await turns.take(ONE, 5)
    (task,) = await started(turns, 6, order=order)

    turns.end(ONE, expected=9)
    await asyncio.wait_for(task, 10)

    assert order == [6]


async def test_the_queue_is_bounded_in_number_and_time() -> None:
    turns = Turns(most_waiting=1, patience_s=0.01)
    await turns.take(ONE, 5)
    (waiting,) = await started(turns, 6, order=[])

    with pytest.raises(ChannelBusy):
        await turns.take(ONE, 7)
    with pytest.raises(ChannelBusy):
        await waiting


async def test_a_waiting_request_that_is_cancelled_leaves_the_queue() -> None:
    turns, order = Turns(), list[int]()
    await turns.take(ONE, 5)
    first, second = await started(turns, 6, 7, order=order)

    first.cancel()
    await settled()
    turns.end(ONE)
    await asyncio.wait_for(second, 10)

    assert order == [7]
