"""Batches on the chain and their challenges: posts what an operator says, demands, answers, proves and expires."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_abi.abi import encode
from eth_abi.exceptions import ValueOutOfBounds

from attribution import merkle
from attribution.batch import ChainTip, Item, receipt_leaf
from attribution.evidence import evidence_of
from attribution.split import Payee
from attribution.state_tree import earned_key
from attribution.transition import LedgerState
from attribution.witness import witness_of
from contracts.crypto import ZERO_BYTES32, Address, Bytes32, keccak, to_address
from contracts.eip712 import abi_type
from contracts.structs import BatchHeader, UsageReceipt
from contracts.x402 import ChannelConfig
from tests.contracts.court import Court
from tests.contracts.machine import Reverted
from tests.contracts.world import DELAY_S, key

HEADER, RECEIPT, CONFIG = abi_type(BatchHeader), abi_type(UsageReceipt), abi_type(ChannelConfig)
LEAF = "(uint32,bytes32,bytes32,bytes32,bytes32[])"
KIND_LEAF, KIND_PAYEE = 0, 1
DAY_S = 86_400
WALLET_WEI = 10**24
SIGNATURES = {
    "demandLeaf": (HEADER, "uint32"),
    "justify": (HEADER, HEADER, LEAF, RECEIPT, "bytes"),
    "demandPayee": (HEADER, "uint8", "bytes32"),
    "showPayee": (HEADER, "uint8", "bytes32", "bytes"),
    "expire": ("address", "uint64", "uint8", "bytes32"),
    "reclaim": ("address", "uint64", "bytes32", "uint64", "uint8", "bytes32"),
    "proveBrokenLink": (HEADER, LEAF, LEAF),
    "proveBrokenEnd": (HEADER, LEAF),
    "proveWrongTotal": (HEADER, "bytes32", "uint128"),
    "proveDoubleBilling": (HEADER, LEAF, RECEIPT, HEADER, LEAF, RECEIPT),
    "proveEquivocation": (HEADER, LEAF, RECEIPT, "bytes"),
    "proveOverClaim": (HEADER, CONFIG, "bytes"),
}
SELECTORS = {name: keccak(f"{name}({','.join(types)})".encode())[:4] for name, types in SIGNATURES.items()}
_POST = keccak(f"post({HEADER})".encode())[:4]
NO_HEADER = BatchHeader(
    to_address("0x" + "0" * 40), 0, 0, 0, ZERO_BYTES32, ZERO_BYTES32, ZERO_BYTES32, 0, ZERO_BYTES32, 0
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A leaf as the operator committed to it, the state before it as the operator has it, and what it can show."""

    item: Item
    before: LedgerState
    root_before: Bytes32
    root_after: Bytes32

    @property
    def leaf(self) -> Bytes32:
        """The hash under `receiptsRoot`."""
        return receipt_leaf(self.item.receipt, self.root_before, self.root_after)


@dataclass(frozen=True, slots=True)
class Filing:
    """A header, and the leaves that its receipts file shows."""

    header: BatchHeader
    entries: tuple[Entry, ...]
    previous: BatchHeader = NO_HEADER

    def leaf(self, index: int) -> tuple[Any, ...]:
        """The leaf as calldata."""
        entry = self.entries[index]
        siblings = merkle.path_of([other.leaf for other in self.entries], index)
        return (index, entry.item.receipt.struct_hash(), entry.root_before, entry.root_after, list(siblings))


def filing_of(tip: ChainTip, entries: Sequence[Entry], closed_at: int, previous: BatchHeader = NO_HEADER) -> Filing:
    """The filing whose header an operator makes from its entries, honest or not."""
    header = BatchHeader(
        node=tip.state.ledger.node,
        epoch=tip.epoch + 1,
        from_seq=tip.state.seq + 1,
        count=len(entries),
        prev_header_hash=tip.header_hash,
        prev_state_root=tip.state.root,
        state_root=entries[-1].root_after,
        cum_total=tip.state.cum_total + sum(entry.item.receipt.fee for entry in entries),
        receipts_root=merkle.root_of([entry.leaf for entry in entries]),
        closed_at=closed_at,
    )
    return Filing(header, tuple(entries), previous)


class Docket:
    """The contracts of a court, seen by operators, challengers and watchers."""

    def __init__(self, court: Court) -> None:
        self.court, self.world, self.machine = court, court.world, court.world.machine
        self.challenger, self.watcher = key("challenger").address, key("watcher").address
        for account in (self.challenger, self.watcher):
            self.machine.endow(account, WALLET_WEI)

    def send(self, sender: Address, function: str, *values: Any, wei: int = 0) -> None:
        """Calls the challenges and keeps the effects. Raises Reverted."""
        data = SELECTORS[function] + encode(SIGNATURES[function], values)
        self.machine.transact(sender, self.world.challenges.address, data, wei)

    def refusal(self, sender: Address, function: str, *values: Any, wei: int = 0) -> str:
        """The error with which a call reverts; empty if it does not."""
        try:
            self.send(sender, function, *values, wei=wei)
        except Reverted as refusal:
            return refusal.reason
        return ""

    # ---- headers -------------------------------------------------------------------------------------------------

    def post(self, header: BatchHeader) -> str:
        """Posts a header as its operator; returns the error."""
        try:
            data = _POST + encode([HEADER], [header.abi_tuple()])
            self.machine.transact(self.world.operator.address, self.world.settlement.address, data)
        except Reverted as refusal:
            return refusal.reason
        except ValueOutOfBounds:
            return "a number does not fit"
        return ""

    def is_alive(self, header: BatchHeader) -> bool:
        """Whether Settlement still holds this header."""
        commitment = self.machine.read(self.world.settlement, "commitmentOf", header.node, header.epoch)
        return bool(commitment == keccak(header.struct_hash() + header.state_root))

    def last_epoch(self, node: Address) -> int:
        """The epoch of the newest header that is alive."""
        return int(self.machine.read(self.world.settlement, "ledger", node)[0])

    # ---- demands -------------------------------------------------------------------------------------------------

    def bond(self, kind: int, header: BatchHeader) -> int:
        """The bond of a demand now, in wei."""
        return int(self.machine.read(self.world.challenges, "bondOf", kind, header.node, header.epoch))

    def demand_leaf(self, header: BatchHeader, index: int) -> None:
        bond = self.bond(KIND_LEAF, header)
        self.send(self.challenger, "demandLeaf", header.abi_tuple(), index, wei=bond)

    def demand_payee(self, header: BatchHeader, payee: Payee) -> None:
        bond = self.bond(KIND_PAYEE, header)
        self.send(self.challenger, "demandPayee", header.abi_tuple(), int(payee.kind), payee.id, wei=bond)

    def justification(self, filing: Filing, index: int) -> tuple[Any, ...]:
        """The arguments of `justify` for a leaf, with the best evidence that its operator has."""
        entry = filing.entries[index]
        item = replace(entry.item, evidence=self.court.market.refreshed(entry.item.receipt, entry.item.evidence))
        headers = (filing.header.abi_tuple(), filing.previous.abi_tuple())
        return (*headers, filing.leaf(index), item.receipt.abi_tuple(), evidence_of(entry.before, item))

    def justify(self, filing: Filing, index: int) -> str:
        """Answers a demand on a leaf; returns the error."""
        return self.refusal(self.watcher, "justify", *self.justification(filing, index))

    def show(self, filing: Filing, state: LedgerState, payee: Payee) -> str:
        """Answers a demand on a payee from the state after the batch; returns the error."""
        witness = witness_of(state.tree, earned_key(payee))
        return self.refusal(self.watcher, "showPayee", filing.header.abi_tuple(), int(payee.kind), payee.id, witness)

    def expire_leaf(self, header: BatchHeader, index: int) -> str:
        """Waits for a demand on a leaf to run out and ends the header; returns the error."""
        self.machine.warp(DAY_S)
        item = index.to_bytes(32)
        return self.refusal(self.watcher, "expire", header.node, header.epoch, KIND_LEAF, item)

    def activate(self, header: BatchHeader) -> int:
        """Lets the window pass and activates what can be; returns the newest active epoch."""
        self.machine.warp(DELAY_S)
        self.machine.send(self.watcher, self.world.settlement, "activate", header.node)
        _, active, *_ = self.machine.read(self.world.settlement, "ledger", header.node)
        return int(active)
