"""The proof that a receipt has its place in a posted batch, as nodes publish it and auditors read it."""

from dataclasses import dataclass

from attribution.batch import receipt_leaf
from attribution.merkle import verify_path
from contracts.crypto import Bytes32
from contracts.document import Document, Refusal
from contracts.encoding import to_hex
from contracts.structs import BatchHeader, UsageReceipt


@dataclass(frozen=True, slots=True)
class ReceiptProof:
    """`receipt` is leaf `index` under the header's `receiptsRoot`, between two state roots.

    path: siblings, bottom-up.
    """

    header: BatchHeader
    receipt: UsageReceipt
    index: int
    root_before: Bytes32
    root_after: Bytes32
    path: tuple[Bytes32, ...]

    def to_json(self) -> dict[str, object]:
        """As a JSON object; hashes as 0x hex."""
        return {
            "header": self.header.to_json(),
            "headerHash": to_hex(self.header.struct_hash()),
            "receipt": self.receipt.to_json(),
            "index": self.index,
            "stateRootBefore": to_hex(self.root_before),
            "stateRootAfter": to_hex(self.root_after),
            "path": [to_hex(sibling) for sibling in self.path],
        }

    @classmethod
    def parse(cls, value: object, refusal: Refusal) -> "ReceiptProof":
        """The inverse of `to_json`. Raises `refusal`, which names the member that is missing or wrong."""
        document = Document.of(value, "", refusal)
        siblings = document.value("path")
        if not isinstance(siblings, list):
            raise refusal("path", "must be a list")
        path = Document({str(at): sibling for at, sibling in enumerate(siblings)}, "path", refusal)
        return cls(
            header=document.struct("header", BatchHeader),
            receipt=document.struct("receipt", UsageReceipt),
            index=document.uint("index", 32),
            root_before=document.bytes32("stateRootBefore"),
            root_after=document.bytes32("stateRootAfter"),
            path=tuple(path.bytes32(name) for name in path.members),
        )

    def wrong(self, receipt: UsageReceipt) -> str | None:
        """Why this does not prove that `receipt` has its place in the header's batch; None if it does."""
        header = self.header
        if self.receipt != receipt:
            return "the proof is for another receipt"
        if header.node != receipt.node:
            return f"the header is of vault {header.node}, the receipt of {receipt.node}"
        if header.from_seq + self.index != receipt.seq:
            return f"leaf {self.index} of a batch from {header.from_seq} on is not receipt {receipt.seq}"
        leaf = receipt_leaf(receipt, self.root_before, self.root_after)
        if not verify_path(header.receipts_root, header.count, self.index, leaf, self.path):
            return "the proof does not lead from this receipt to the header's receiptsRoot"
        return None
