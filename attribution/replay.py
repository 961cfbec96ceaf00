"""Replays the receipts files of a ledger from its first batch and finds every rule that they break.

Nothing is taken from the node but the files: hashes, signatures, prices, splits and roots are all computed again.
Registrations and their windows are those of the files; `audit` against a chain reads them from the registries.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from attribution.batch import ChainTip
from attribution.findings import Fault, Finding, Place, SignedLeaf
from attribution.receipts_file import Entry, ReceiptsFile
from attribution.state_tree import charged_key
from attribution.transition import InvalidTransition, Ledger, LedgerState, advance, apply
from contracts.crypto import Address, Bytes32, InvalidSignature, recover
from contracts.encoding import to_hex
from contracts.structs import UsageReceipt


def ledger_of(file: ReceiptsFile) -> Ledger:
    """The ledger that a file says it belongs to: its vault, and the token and chain of its channels."""
    return Ledger(file.header.node, file.entries[0].evidence.config.token, file.domain)


@dataclass(slots=True)
class Replay:
    """A ledger that is replayed file by file. `tips`: after every epoch so far, the first one before any batch."""

    ledger: Ledger
    tips: list[ChainTip] = field(default_factory=list)
    _billed: dict[Bytes32, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.tips:
            self.tips.append(ChainTip.genesis(LedgerState.genesis(self.ledger)))

    @property
    def tip(self) -> ChainTip:
        """Where the next file starts."""
        return self.tips[-1]

    def add(self, file: ReceiptsFile) -> list[Finding]:
        """What is wrong with the next file; nothing for an honest one.

        The ledger goes on from the file if its state could be rebuilt, even if it breaks a rule. Otherwise it stays
        where it was.
        """
        findings = list(_unchained(self.ledger, self.tip, file))
        if findings:
            return findings
        state = self.tip.state
        for index, entry in enumerate(file.entries):
            place = Place(file.header.epoch, index, entry.receipt.seq)
            after = _judge(state, file, entry, place, findings)
            findings += self._double_billing(entry.receipt, place)
            if after is None:
                return findings
            state = after
        findings += _wrong_end(file, state)
        if state.root == file.header.state_root:
            self.tips.append(ChainTip.after(file.header, state))
        return findings

    def roll_back(self, epoch: int) -> None:
        """Forgets every batch after `epoch`, as after the death of a header."""
        del self.tips[epoch - self.tips[0].epoch + 1 :]
        self._billed = {digest: place for digest, place in self._billed.items() if place.epoch <= epoch}

    def _double_billing(self, receipt: UsageReceipt, place: Place) -> Iterator[Finding]:
        first = self._billed.setdefault(receipt.request_digest, place)
        if first.seq != place.seq:
            detail = f"receipts {first.seq} and {place.seq} bill one request, {to_hex(receipt.request_digest)}"
            yield Finding(Fault.DOUBLE_BILLING, place.epoch, detail, "T9", place, earlier=first)


def over_claims(state: LedgerState, epoch: int, claimed: Mapping[Bytes32, int]) -> list[Finding]:
    """The channels of which more was claimed than `state` charges. claimed: the escrow's `totalClaimed` by channel."""
    findings = []
    for channel_id, total in claimed.items():
        charged = state.tree.get(charged_key(channel_id))
        if total > charged:
            detail = f"{total} base units were claimed of channel {to_hex(channel_id)}, the receipts charge {charged}"
            findings.append(Finding(Fault.OVER_CLAIM, epoch, detail, channel_id=channel_id))
    return findings


def equivocations(file: ReceiptsFile, operator: Address, signed: Iterable[SignedLeaf]) -> list[Finding]:
    """The receipts among `signed` that a node signed beside a posted one with the same number.

    operator: the key whose signature counts at the time of the receipt.
    """
    findings, header = [], file.header
    for other in signed:
        index = other.receipt.seq - header.from_seq
        ours = other.receipt.node == header.node and 0 <= index < header.count and other.receipt.seq > 0
        if not ours or other.receipt == file.entries[index].receipt or not _by(operator, other, file):
            continue
        place = Place(header.epoch, index, other.receipt.seq)
        detail = (
            f"the node signed {to_hex(other.receipt.struct_hash())} as receipt {other.receipt.seq}, "
            f"and posted {to_hex(file.entries[index].receipt.struct_hash())}"
        )
        findings.append(Finding(Fault.EQUIVOCATION, header.epoch, detail, place=place, signed=other))
    return findings


def _by(operator: Address, signed: SignedLeaf, file: ReceiptsFile) -> bool:
    try:
        return recover(signed.receipt.digest(file.domain), signed.signature) == operator
    except InvalidSignature:
        return False


def _judge(
    state: LedgerState, file: ReceiptsFile, entry: Entry, place: Place, findings: list[Finding]
) -> LedgerState | None:
    """The state after a receipt, even if it breaks a rule that leaves the state known; None if the state is lost."""
    receipt, evidence = entry.receipt, entry.evidence
    if receipt.finished_at > file.header.closed_at:
        detail = f"finished at {receipt.finished_at}, after the batch closed at {file.header.closed_at}"
        findings.append(Finding(Fault.UNJUSTIFIED_LEAF, place.epoch, detail, "T7", place))
    findings += _unsigned(file, entry, place)
    try:
        after = apply(state, receipt, evidence)
    except InvalidTransition as broken:
        findings.append(Finding(Fault.UNJUSTIFIED_LEAF, place.epoch, broken.detail, broken.rule, place))
        recovered = _recovered(state, entry)
        return recovered if recovered is not None and recovered.root == entry.root else None
    if after.root != entry.root:
        detail = f"the state root after it is given as {to_hex(entry.root)}, the receipt makes it {to_hex(after.root)}"
        findings.append(Finding(Fault.UNJUSTIFIED_LEAF, place.epoch, detail, "T6", place))
        return None
    return after


def _recovered(state: LedgerState, entry: Entry) -> LedgerState | None:
    terms = entry.evidence.terms
    try:
        return advance(state, entry.receipt, entry.evidence.price_list.value, terms.value if terms else None)
    except (InvalidTransition, ValueError):
        return None


def _unsigned(file: ReceiptsFile, entry: Entry, place: Place) -> Iterator[Finding]:
    """A missing signature is no fault in a file of version 1, which has none."""
    if entry.signature is None:
        return
    at = entry.receipt.finished_at
    operator = file.operator_at(at)
    try:
        signer = file.signer_of(entry)
    except InvalidSignature as error:
        yield Finding(Fault.UNSIGNED, place.epoch, str(error), place=place)
        return
    if operator is None or signer != operator:
        expected = f"the operator at {at} is {operator}" if operator else f"the file names no operator at {at}"
        yield Finding(Fault.UNSIGNED, place.epoch, f"signed by {signer}; {expected}", place=place)


def _unchained(ledger: Ledger, tip: ChainTip, file: ReceiptsFile) -> Iterator[Finding]:
    """Compares a header with the header before it, as Settlement does when it is posted."""
    header, state = file.header, tip.state
    expected: dict[str, tuple[object, object]] = {
        "chain": (file.domain.chain_id, ledger.domain.chain_id),
        "settlement": (file.domain.verifying_contract, ledger.domain.verifying_contract),
        "node": (header.node, ledger.node),
        "epoch": (header.epoch, tip.epoch + 1),
        "fromSeq": (header.from_seq, state.seq + 1),
        "prevHeaderHash": (header.prev_header_hash, tip.header_hash),
        "prevStateRoot": (header.prev_state_root, state.root),
    }
    for name, (given, due) in expected.items():
        if given != due:
            yield Finding(Fault.UNCHAINED, header.epoch, f"{name} is {_show(given)}, expected {_show(due)}", "T8")
            return
    if header.cum_total <= state.cum_total:
        detail = f"cumTotal is {header.cum_total}, not above the last header's {state.cum_total}"
        yield Finding(Fault.UNCHAINED, header.epoch, detail, "T8")
    if header.closed_at < state.closed_at:
        detail = f"closed at {header.closed_at}, before the last header at {state.closed_at}"
        yield Finding(Fault.UNCHAINED, header.epoch, detail, "T7")


def _wrong_end(file: ReceiptsFile, state: LedgerState) -> Iterator[Finding]:
    """The end of T8: the last leaf leads to the header's state root, which opens to its cumTotal."""
    header = file.header
    place = Place(header.epoch, header.count - 1, state.seq)
    if state.root != header.state_root:
        detail = f"stateRoot is {to_hex(header.state_root)}, the last receipt leads to {to_hex(state.root)}"
        yield Finding(Fault.BROKEN_LINK, header.epoch, detail, "T8", place)
    elif header.cum_total != state.cum_total:
        detail = f"cumTotal is {header.cum_total}, the receipts add up to {state.cum_total}"
        yield Finding(Fault.BROKEN_LINK, header.epoch, detail, "T8", place)


def _show(value: object) -> str:
    return to_hex(value) if isinstance(value, bytes) else str(value)
