"""The gas of challenges as committed data: contracts/test/snapshots/challenges.json, so that a change is visible.

State proofs are as deep as in a state of 2^20 leaves, batches have 4,096 receipts, terms have 16 Datanet versions.
After a change: `python -m tests.contracts.test_challenge_gas` writes the file anew.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from attribution import merkle
from attribution.batch import ChainTip, Item, receipt_leaf
from attribution.evidence import changes_of, evidence_of
from attribution.split import TREASURY, Payee
from attribution.state_tree import KEY_BITS, StateTree, charged_key, earned_key
from attribution.transition import LedgerState, apply
from attribution.witness import witness_of
from contracts.crypto import Bytes32, keccak
from contracts.structs import BatchHeader
from tests.contracts.court import PAYERS, Court
from tests.contracts.docket import KIND_LEAF, SELECTORS, SIGNATURES, WALLET_WEI, Docket
from tests.contracts.machine import CHAIN_ID
from tests.contracts.market import SPAN_S, Market
from tests.contracts.world import OPEN, key

SNAPSHOT = Path(__file__).parents[2] / "contracts" / "test" / "snapshots" / "challenges.json"
DEPTH = 22  # of a leaf among 2^20 random ones: log2 and a third more, rounded up
RECEIPTS = 4096


class Scale:
    """A court in whose large state every key that a receipt touches is present, and a batch whose first leaf counts."""

    def __init__(self) -> None:
        self.court = Court(Market(5, dearest=3 * OPEN))
        self.docket = Docket(self.court)
        self.item = self._item()
        terms = self.item.evidence.terms
        self.before = self._large(
            changes_of(self.item.receipt, self.item.evidence.price_list.value, terms and terms.value)
        )
        self.after = apply(self.before, self.item.receipt, self.item.evidence)
        self.docket.machine.warp(SPAN_S)
        self.first = self.header_of(ChainTip.genesis(self.court.state), self.before, [keccak(b"leaf")], 4095)
        assert self.docket.post(self.first) == ""
        leaf = receipt_leaf(self.item.receipt, self.before.root, self.after.root)
        self.leaves = [leaf, *(keccak(b"leaf %d" % number) for number in range(RECEIPTS - 1))]
        self.header = self.header_of(ChainTip.after(self.first, self.before), self.after, self.leaves, RECEIPTS)
        assert self.docket.post(self.header) == ""

    def _item(self) -> Item:
        """A receipt of the adapter with 16 Datanet versions, whose client signs its requests."""
        market, adapter = self.court.market, self.court.market.adapters[2]
        market.adapters = [adapter]
        self.court.state = replace(self.court.state, seq=RECEIPTS - 1)
        while True:
            item = self.court.serve()
            terms = item.evidence.terms
            if item.evidence.request and terms and len(terms.value.datanets) == 16 and item.receipt.fee > OPEN // 100:
                return item

    def _large(self, changes: dict[int, int]) -> LedgerState:
        """A state whose paths to all changed keys have a neighbour at each of `DEPTH` levels."""
        values = dict.fromkeys(changes, OPEN)
        for key_ in changes:
            for level in range(DEPTH):
                other = key_ ^ 1 << (KEY_BITS - 1 - level)
                rest = int.from_bytes(keccak(other.to_bytes(32))) & ((1 << (KEY_BITS - 1 - level)) - 1)
                values.setdefault(other >> (KEY_BITS - 1 - level) << (KEY_BITS - 1 - level) | rest, OPEN)
        values[charged_key(self.item.receipt.channel_id)] = self.item.receipt.cum_before + OPEN
        receipt = replace(self.item.receipt, cum_before=OPEN, voucher_max=OPEN + self.item.receipt.fee)
        terms = self.item.evidence.terms
        prices = self.item.evidence.price_list.value
        payer = next(one for one in PAYERS if one.address == self.item.evidence.config.payer)
        self.item = self.court.signed(payer, receipt, prices, terms and terms.value, with_request=True)
        return replace(self.court.state, tree=StateTree.of(values), cum_total=10**6 * OPEN)

    def header_of(self, tip: ChainTip, state: LedgerState, leaves: list[Bytes32], count: int) -> BatchHeader:
        last = tip.state
        return BatchHeader(
            node=last.ledger.node,
            epoch=tip.epoch + 1,
            from_seq=1 if tip.epoch == 0 else RECEIPTS,
            count=count,
            prev_header_hash=tip.header_hash,
            prev_state_root=last.root,
            state_root=state.root,
            cum_total=state.cum_total,
            receipts_root=merkle.root_of(leaves),
            closed_at=self.court.market.start if tip.epoch == 0 else self.docket.machine.now,
        )

    def leaf(self, index: int) -> tuple[Any, ...]:
        """Leaf 0 is the receipt's; the others are opaque."""
        siblings = merkle.path_of(self.leaves, index)
        return (index, self.item.receipt.struct_hash(), self.before.root, self.after.root, list(siblings))


def gas_of(docket: Docket, function: str, *values: Any, wei: int = 0) -> int:
    """The gas of a transaction: what it used, or the floor for its calldata if that is more (EIP-7623)."""
    data = SELECTORS[function] + encode(SIGNATURES[function], values)
    used = docket.machine.transact(docket.challenger, docket.world.challenges.address, data, wei)
    zeros = data.count(0)
    return max(used, 21_000 + 10 * (zeros + 4 * (len(data) - zeros)))


def measure_demands(scale: Scale) -> dict[str, int]:
    docket, header = scale.docket, scale.header.abi_tuple()
    gas = {"demandLeaf": gas_of(docket, "demandLeaf", header, 0, wei=docket.bond(KIND_LEAF, scale.header))}
    evidence = evidence_of(scale.before, scale.item)
    answer = (header, scale.first.abi_tuple(), scale.leaf(0), scale.item.receipt.abi_tuple(), evidence)
    gas["justify, 16 Datanet versions"] = gas_of(docket, "justify", *answer)
    payee = TREASURY
    gas["demandPayee"] = gas_of(docket, "demandPayee", header, payee.kind, payee.id, wei=WALLET_WEI // 10)
    witness = witness_of(scale.after.tree, earned_key(payee))
    gas["showPayee, present"] = gas_of(docket, "showPayee", header, payee.kind, payee.id, witness)
    absent = Payee.of_address(key("absent").address)
    gas["demandPayee"] = gas_of(docket, "demandPayee", header, absent.kind, absent.id, wei=WALLET_WEI // 10)
    witness = witness_of(scale.after.tree, earned_key(absent))
    gas["showPayee, absent"] = gas_of(docket, "showPayee", header, absent.kind, absent.id, witness)
    return gas


def measure_proofs(scale: Scale) -> dict[str, int]:
    """Each proof against a header for which it holds, with paths of 4,096 receipts and a state of 2^20 leaves."""
    docket, header, receipt = scale.docket, scale.header, scale.item.receipt
    gas = {}
    other = replace(receipt, tokens_out=receipt.tokens_out + 1)
    signature = docket.world.operator.sign(other.digest(scale.court.domain))
    with docket.machine.discarding():
        call = (header.abi_tuple(), scale.leaf(0), other.abi_tuple(), signature)
        gas["proveEquivocation"] = gas_of(docket, "proveEquivocation", *call)
    with docket.machine.discarding():
        config = docket.world.channel()
        docket.world.deposit(config, 10 * OPEN)
        docket.world.claim_vouchers([docket.world.voucher_claim(config, 5 * OPEN, 5 * OPEN)])
        witness = witness_of(scale.after.tree, charged_key(config.channel_id(CHAIN_ID)))
        gas["proveOverClaim"] = gas_of(docket, "proveOverClaim", header.abi_tuple(), config.abi_tuple(), witness)
    return gas | measure_links(scale)


def measure_links(scale: Scale) -> dict[str, int]:
    """Proofs that need a header with another root: the same receipt as leaves 0 and 1."""
    docket, gas, honest = scale.docket, dict[str, int](), scale.leaves
    with docket.machine.discarding():
        docket.machine.warp(1)
        scale.leaves = [honest[0], honest[0], *honest[2:]]
        state = replace(scale.after, cum_total=scale.after.cum_total + 1)
        header = scale.header_of(ChainTip.after(scale.header, scale.after), state, scale.leaves, RECEIPTS)
        header = replace(header, from_seq=2 * RECEIPTS)
        assert docket.post(header) == ""
        values, receipt, leaves = header.abi_tuple(), scale.item.receipt.abi_tuple(), (scale.leaf(0), scale.leaf(1))
        for name, arguments in {
            "proveBrokenLink": (values, *leaves),
            "proveBrokenEnd": (values, leaves[0]),
            "proveDoubleBilling": (values, leaves[0], receipt, values, leaves[1], receipt),
        }.items():
            with docket.machine.discarding():
                gas[name] = gas_of(docket, name, *arguments)
    scale.leaves = honest
    return gas


def measure() -> dict[str, int]:
    """The gas of every function, by name."""
    scale = Scale()
    return dict(sorted((measure_proofs(scale) | measure_demands(scale)).items()))


def test_the_gas_of_challenges_is_the_committed_one() -> None:
    gas = measure()

    assert gas == json.loads(SNAPSHOT.read_text()), f"run: python -m tests.contracts.test_challenge_gas ({gas})"
    assert gas["justify, 16 Datanet versions"] <= 1_100_000
    assert max(amount for name, amount in gas.items() if name.startswith("prove")) <= 200_000
    assert max(gas["showPayee, present"], gas["showPayee, absent"]) <= 100_000


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(measure(), indent=2) + "\n")
