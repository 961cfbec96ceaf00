"""Events as values, and whose they are."""

import pytest

from contracts.crypto import keccak, to_address
from node.chain.client import Log
from node.chain.demand_events import LeafDemanded, LeafJustified, PayeeDemanded, PayeeShown
from node.chain.events import (
    BatchActivated,
    Credited,
    Refunded,
    TreasuryChanged,
    WithdrawFinalized,
    WithdrawInitiated,
    concerns,
    parse,
    topics_of,
)
from tests.node.chain.emitters import emit

NODE, OTHER, SETTLEMENT = (to_address("0x" + digit * 40) for digit in "123")
WORD = keccak(b"word")


def log_of(contract: str, event: str, **values: object) -> Log:
    address, topics, data = emit(contract, SETTLEMENT, event, **values)
    return Log(1, WORD, 0, WORD, address, topics, data)


@pytest.mark.parametrize(
    ("contract", "name", "values", "event"),
    [
        ("Settlement", "Credited", {"node": NODE, "amount": 5, "total": 7}, Credited(NODE, 5, 7)),
        ("Settlement", "BatchActivated", {"node": NODE, "epoch": 2, "cumTotal": 9}, BatchActivated(NODE, 2, 9)),
        ("Settlement", "TreasuryChanged", {"treasury": OTHER}, TreasuryChanged(OTHER)),
        (
            "ChannelEscrow",
            "WithdrawFinalized",
            {"channelId": WORD, "sender": OTHER, "amount": 5},
            WithdrawFinalized(WORD, 5),
        ),
        (
            "Challenges",
            "LeafDemanded",
            {"node": NODE, "epoch": 2, "index": 3, "author": OTHER, "bond": 10**15, "deadline": 9},
            LeafDemanded(NODE, 2, 3, OTHER, 10**15, 9),
        ),
        (
            "Challenges",
            "LeafJustified",
            {"node": NODE, "epoch": 2, "index": 3, "receiptHash": WORD, "answerer": OTHER},
            LeafJustified(NODE, 2, 3, OTHER),
        ),
        (
            "Challenges",
            "PayeeDemanded",
            {"node": NODE, "epoch": 2, "payeeKind": 255, "id": WORD, "author": OTHER, "bond": 10**15, "deadline": 9},
            PayeeDemanded(NODE, 2, 255, WORD, OTHER, 10**15, 9),
        ),
        (
            "Challenges",
            "PayeeShown",
            {"node": NODE, "epoch": 2, "payeeKind": 1, "id": WORD, "cumulative": 7, "witness": b"12"},
            PayeeShown(NODE, 2, 1, WORD, 7, b"12"),
        ),
        ("ChannelEscrow", "Refunded", {"channelId": WORD, "sender": OTHER, "amount": 5}, Refunded(WORD, 5)),
    ],
)
def test_a_log_becomes_its_event(contract: str, name: str, values: dict[str, object], event: object) -> None:
    log = log_of(contract, name, **values)

    assert parse(contract, log) == event
    assert log.topics[0] in topics_of(contract)


def test_an_event_that_is_not_followed_is_none() -> None:
    assert parse("Settlement", Log(1, WORD, 0, WORD, SETTLEMENT, (WORD,), b"")) is None
    assert parse("Settlement", Log(1, WORD, 0, WORD, SETTLEMENT, (), b"")) is None


def test_events_of_other_nodes_do_not_concern_a_node() -> None:
    assert concerns(Credited(NODE, 1, 1), NODE)
    assert not concerns(Credited(OTHER, 1, 1), NODE)
    assert concerns(TreasuryChanged(OTHER), NODE)
    assert concerns(WithdrawInitiated(WORD, 1, 1), NODE)
