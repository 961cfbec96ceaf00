"""Checkpoints: a state that proves itself under its header, and nothing else."""

import json

import pytest

from attribution import checkpoint
from attribution.batch import build
from attribution.checkpoint import InvalidCheckpoint
from tests.attribution.ledgers import HonestNode


def test_a_checkpoint_is_the_tip_that_it_was_made_from() -> None:
    node = HonestNode()
    batch = build(node.genesis, node.serve_many(6, seed=1))

    raw = checkpoint.encode(batch.header, batch.tip)

    assert checkpoint.decode(raw) == (batch.header, batch.tip)


@pytest.mark.parametrize(("member", "value"), [("leaves", {}), ("header", {}), ("checkpoint", 2), ("token", "0x")])
def test_a_changed_checkpoint_is_refused(member: str, value: object) -> None:
    node = HonestNode()
    batch = build(node.genesis, node.serve_many(2, seed=1))
    document = json.loads(checkpoint.encode(batch.header, batch.tip)) | {member: value}

    with pytest.raises(InvalidCheckpoint):
        checkpoint.decode(json.dumps(document).encode())


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"\xff"])
def test_bytes_that_are_no_checkpoint_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidCheckpoint):
        checkpoint.decode(raw)
