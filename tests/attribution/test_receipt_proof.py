"""Proofs of receipts as documents."""

from dataclasses import replace

import pytest

from attribution.batch import Batch, build
from attribution.receipt_proof import ReceiptProof
from contracts.crypto import Bytes32
from tests.attribution.ledgers import HonestNode


class Refused(Exception):
    """What `parse` raises here."""


@pytest.fixture(scope="module")
def batch() -> Batch:
    node = HonestNode()
    return build(node.genesis, node.serve_many(5, seed=3))


def proof(batch: Batch, index: int) -> ReceiptProof:
    roots = (batch.header.prev_state_root, *batch.roots)
    return ReceiptProof(batch.header, batch.receipts[index], index, *roots[index : index + 2], batch.prove(index))


@pytest.mark.parametrize("index", range(5))
def test_every_receipt_of_a_batch_is_proven_also_after_json(batch: Batch, index: int) -> None:
    shown = proof(batch, index)

    assert ReceiptProof.parse(shown.to_json(), Refused) == shown
    assert shown.wrong(batch.receipts[index]) is None


def test_a_proof_of_another_place_proves_nothing(batch: Batch) -> None:
    shown = proof(batch, 1)

    assert "another receipt" in str(shown.wrong(batch.receipts[2]))
    assert "is not receipt" in str(replace(shown, index=2).wrong(batch.receipts[1]))
    assert "does not lead" in str(replace(shown, root_after=Bytes32(bytes(32))).wrong(batch.receipts[1]))


@pytest.mark.parametrize("change", [{"path": 5}, {"path": ["0x1"]}, {"index": -1}, {"header": None}])
def test_a_malformed_proof_is_refused(batch: Batch, change: dict[str, object]) -> None:
    with pytest.raises(Refused):
        ReceiptProof.parse(proof(batch, 0).to_json() | change, Refused)
