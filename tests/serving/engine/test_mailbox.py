"""Commands reach the engine in order, and none is lost when it ends."""

import threading

import pytest
import torch

from serving.engine.mailbox import Abort, AdapterLoaded, Command, Mailbox
from serving.errors import NotReady
from serving.lora.slot import LoraModule, Slot
from serving.types import AdapterDigest


def test_commands_are_taken_in_the_order_in_which_they_were_put() -> None:
    mailbox = Mailbox()
    commands: list[Command] = [Abort("a", 0), Abort("a", 1), Abort("b", 0)]
    for command in commands:
        mailbox.put(command)

    assert mailbox.take() == commands
    assert mailbox.take() == []


def test_taking_waits_for_the_first_command() -> None:
    mailbox = Mailbox()
    threading.Timer(0.05, lambda: mailbox.put(Abort("late", 0))).start()

    assert mailbox.take(float("inf")) == [Abort("late", 0)]


def test_closing_hands_over_what_was_put_and_refuses_the_rest() -> None:
    mailbox = Mailbox()
    mailbox.put(Abort("before", 0))

    assert mailbox.close() == [Abort("before", 0)]
    assert mailbox.is_closed
    with pytest.raises(NotReady):
        mailbox.put(Abort("after", 0))


def test_an_offer_to_a_closed_mailbox_is_dropped() -> None:
    mailbox = Mailbox()
    mailbox.close()

    mailbox.offer(Abort("after", 0))

    assert mailbox.take() == []


def test_every_command_is_either_refused_or_handed_over_while_the_mailbox_closes() -> None:
    mailbox, refused, taken = Mailbox(), [0] * 8, []

    def put(thread: int) -> None:
        for number in range(200):
            try:
                mailbox.put(Abort(f"{thread}", number))
            except NotReady:
                refused[thread] += 1

    threads = [threading.Thread(target=put, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    taken += mailbox.take()
    taken += mailbox.close()
    for thread in threads:
        thread.join()

    assert len(taken) + sum(refused) == 8 * 200
    assert mailbox.take() == []


def test_the_time_of_a_load_excludes_the_wait_for_a_thread() -> None:
    pair = LoraModule(torch.zeros(1, 1), torch.zeros(1, 1))
    loaded = AdapterLoaded(Slot(AdapterDigest("a"), {"m": pair}, 1), {"wait": 5.0, "read": 1.0, "copy": 0.5})

    assert loaded.took_s == 1.5
