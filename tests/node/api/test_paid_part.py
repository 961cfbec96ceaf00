"""Routes that only a paid node has."""

from dataclasses import replace

import pytest

from node.api.errors import NotOffered
from node.api.paid_part import paid_part
from tests.node.running import NodeThread


def test_a_free_node_names_what_it_lacks(node: NodeThread) -> None:
    with pytest.raises(NotOffered, match="has no batches"):
        paid_part(node.world, "batches")


def test_a_paid_node_hands_out_its_paid_part(paid_node: NodeThread) -> None:
    assert paid_part(paid_node.world, "batches") is paid_node.world.paid
    with pytest.raises(NotOffered):
        paid_part(replace(paid_node.world, paid=None), "batches")
