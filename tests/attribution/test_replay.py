"""Replaying a ledger's files: honest ones pass, and each forgery is found with its rule, its place and the values."""

from collections.abc import Callable
from dataclasses import fields, replace

import pytest

from attribution.batch import Batch, Item, build
from attribution.findings import Fault, Finding, Place, SignedLeaf
from attribution.receipts_file import ReceiptsFile
from attribution.replay import Replay, equivocations, ledger_of, over_claims
from attribution.state_tree import StateTree, charged_key, state_root
from attribution.transition import Registered, advance
from contracts.crypto import ZERO_BYTES32
from contracts.structs import BatchHeader, UsageReceipt
from contracts.x402 import Voucher, x402_domain
from tests.attribution.ledgers import (
    CHAIN_ID,
    LEDGER,
    OPERATOR,
    PAYERS,
    HonestNode,
    channel,
    key,
    price_list,
    published,
    signatures,
    terms,
    word,
)

OTHER_NODE = key(90).address


@pytest.fixture
def files() -> list[ReceiptsFile]:
    """Three honest batches of one ledger."""
    node = HonestNode()
    tip, made = node.genesis, []
    for seed in range(3):
        items = node.serve_many(4, seed=seed)
        made.append(published(tip, items))
        tip = build(tip, items).tip
    return made


def replayed(*files: ReceiptsFile) -> list[Finding]:
    replay = Replay(ledger_of(files[0]))
    return [finding for file in files for finding in replay.add(file)]


def forged(file: ReceiptsFile, **changes: object) -> ReceiptsFile:
    """The file with another header; as its node would publish it, it rebuilds its own `receiptsRoot`."""
    header = replace(file.header, **changes)  # type: ignore[arg-type]  # any field
    draft = replace(file, header=header)
    return replace(file, header=replace(header, receipts_root=draft.rebuilt_root()))


def with_item(file: ReceiptsFile, index: int, item: Item) -> ReceiptsFile:
    """The file with another receipt at `index`, its roots and header made anew as a cheating node would."""
    state = Replay(LEDGER).tip.state
    entries = []
    for at, entry in enumerate(file.entries):
        receipt, evidence = (item.receipt, item.evidence) if at == index else (entry.receipt, entry.evidence)
        state = advance(state, receipt, evidence.price_list.value, evidence.terms.value if evidence.terms else None)
        (signature,) = signatures([Item(receipt, evidence)])
        entries.append(replace(entry, receipt=receipt, evidence=evidence, root=state.root, signature=signature))
    changed = replace(file, entries=tuple(entries))
    return forged(changed, state_root=state.root, cum_total=state.cum_total)


def test_honest_files_pass_from_the_first_epoch_on(files: list[ReceiptsFile]) -> None:
    replay = Replay(ledger_of(files[0]))

    assert [replay.add(ReceiptsFile.decode(file.encode())) for file in files] == [[], [], []]
    assert replay.tip.epoch == 3
    assert replay.tip.header_hash == files[2].header.struct_hash()


def test_files_of_version_1_pass_without_signatures(files: list[ReceiptsFile]) -> None:
    bare = [
        replace(file, version=1, operators=(), entries=tuple(replace(one, signature=None) for one in file.entries))
        for file in files
    ]

    assert replayed(*(ReceiptsFile.decode(file.encode()) for file in bare)) == []


@pytest.mark.parametrize("start", [1, 2])
def test_a_file_that_does_not_follow_is_named(start: int, files: list[ReceiptsFile]) -> None:
    (finding,) = replayed(*files[:1], *files[start + 1 :])[:1] if start == 1 else replayed(files[1])

    assert (finding.fault, finding.rule) == (Fault.UNCHAINED, "T8")
    assert "epoch is" in finding.detail


CHAINED = [field.name for field in fields(BatchHeader) if field.name not in {"count", "receipts_root"}]


@pytest.mark.parametrize("name", CHAINED)
def test_a_header_with_one_changed_field_is_named(name: str, files: list[ReceiptsFile]) -> None:
    value = getattr(files[1].header, name)
    wrong = word("other") if isinstance(value, bytes) else OTHER_NODE if isinstance(value, str) else value - 1

    findings = replayed(files[0], forged(files[1], **{name: wrong}))

    assert {finding.rule for finding in findings} <= {"T1", "T7", "T8"}
    assert findings


def test_no_growth_of_the_total_is_named(files: list[ReceiptsFile]) -> None:
    (finding,) = replayed(files[0], forged(files[1], cum_total=files[0].header.cum_total))

    assert (finding.fault, finding.rule) == (Fault.UNCHAINED, "T8")


def unregistered_terms(item: Item) -> Item:
    """Says that an adapter with terms has none, so that the operator keeps the royalty."""
    receipt = replace(item.receipt, terms_hash=ZERO_BYTES32)
    return Item(receipt, replace(item.evidence, terms=None, terms_from=0))


def price_list_of_another_node(item: Item) -> Item:
    value = price_list(OTHER_NODE)
    receipt = replace(item.receipt, price_hash=value.struct_hash())
    return Item(receipt, replace(item.evidence, price_list=Registered(value, 0)))


def price_list_that_ended(item: Item) -> Item:
    window = Registered(item.evidence.price_list.value, 0, item.receipt.started_at)
    return Item(item.receipt, replace(item.evidence, price_list=window))


def terms_of_another_adapter(item: Item) -> Item:
    receipt = replace(item.receipt, terms_hash=terms(1).struct_hash())
    return Item(receipt, replace(item.evidence, terms=Registered(terms(1), 0)))


def channel_of_another_vault(item: Item) -> Item:
    config = channel(PAYERS[0], OTHER_NODE)
    channel_id = config.channel_id(CHAIN_ID)
    voucher = Voucher(channel_id, item.receipt.voucher_max).digest(x402_domain(CHAIN_ID))
    receipt = replace(item.receipt, channel_id=channel_id)
    return Item(receipt, replace(item.evidence, config=config, voucher_signature=PAYERS[0].sign(voucher)))


def higher_fee(item: Item) -> Item:
    return Item(replace(item.receipt, fee=item.receipt.fee + 1), item.evidence)


def junk_voucher(item: Item) -> Item:
    return Item(item.receipt, replace(item.evidence, voucher_signature=b"\x01" * 65))


def changed(**values: object) -> Callable[[Item], Item]:
    return lambda item: Item(replace(item.receipt, **values), item.evidence)  # type: ignore[arg-type]  # any field


FORGERIES: list[tuple[Callable[[Item], Item], str]] = [
    (unregistered_terms, "T3"),
    (price_list_of_another_node, "T3"),
    (price_list_that_ended, "T3"),
    (terms_of_another_adapter, "T3"),
    (channel_of_another_vault, "T2"),
    (higher_fee, "T3"),
    (junk_voucher, "T2"),
    (changed(node=OTHER_NODE), "T1"),
    (changed(status=2), "T1"),
    (changed(voucher_max=10**30), "T2"),
    (changed(attribution_version=2), "T5"),
    (changed(started_at=0), "T7"),
    (changed(request_digest=word("nobody's request")), "T9"),
]


@pytest.mark.parametrize(("forge", "rule"), FORGERIES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_forged_receipt_is_an_unjustified_leaf(forge: Callable[[Item], Item], rule: str) -> None:
    node = HonestNode()
    items = [node.serve(PAYERS[1], 0), node.serve(PAYERS[0], 0), node.serve(PAYERS[1], None)]
    file = with_item(published(node.genesis, items), 1, forge(items[1]))

    found = replayed(ReceiptsFile.decode(file.encode()))

    assert [(one.fault, one.rule, one.place) for one in found[:1]] == [
        (Fault.UNJUSTIFIED_LEAF, rule, Place(epoch=1, index=1, seq=2))
    ]
    assert f"epoch 1, receipt 2: {rule} broken" in str(found[0])


def test_a_misplaced_unit_in_the_state_is_named_at_its_receipt() -> None:
    node = HonestNode()
    batch: Batch = build(node.genesis, items := node.serve_many(3, seed=4))
    values = dict(batch.state.tree.items())
    first, second, *_ = (one for one in values if not one >> 255)
    values[first], values[second] = values[first] + 1, values[second] - 1
    root = state_root(StateTree.of({k: v for k, v in values.items() if v}).root, batch.state.cum_total)
    honest = published(node.genesis, items)
    entries = (*honest.entries[:-1], replace(honest.entries[-1], root=root))
    file = forged(replace(honest, entries=entries), state_root=root)

    (finding,) = replayed(ReceiptsFile.decode(file.encode()))

    assert (finding.fault, finding.rule, finding.place) == (Fault.UNJUSTIFIED_LEAF, "T6", Place(1, 2, 3))


def test_a_batch_that_ends_elsewhere_is_a_broken_link(files: list[ReceiptsFile]) -> None:
    (finding,) = replayed(forged(files[0], state_root=word("elsewhere")))
    (total,) = replayed(forged(files[0], cum_total=files[0].header.cum_total - 1))

    assert finding.fault == total.fault == Fault.BROKEN_LINK
    assert finding.place == Place(1, 3, 4)


def test_one_request_billed_in_two_batches_is_found(files: list[ReceiptsFile]) -> None:
    node = HonestNode()
    first, second = node.serve(PAYERS[0], 0), node.serve(PAYERS[0], 0)
    again = replace(
        second,
        receipt=replace(second.receipt, request_digest=first.receipt.request_digest),
        evidence=replace(
            second.evidence, request=first.evidence.request, request_signature=first.evidence.request_signature
        ),
    )
    one = published(node.genesis, [first])
    two = published(build(node.genesis, [first]).tip, [again])

    (finding,) = replayed(one, two)

    assert (finding.fault, finding.rule) == (Fault.DOUBLE_BILLING, "T9")
    assert (finding.earlier, finding.place) == (Place(1, 0, 1), Place(2, 0, 2))


def test_a_receipt_dated_before_the_last_batch_closed_is_found(files: list[ReceiptsFile]) -> None:
    late = forged(files[0], closed_at=files[0].header.closed_at + 100)
    second = forged(files[1], prev_header_hash=late.header.struct_hash(), closed_at=late.header.closed_at)

    findings = replayed(late, second)

    assert {finding.rule for finding in findings} == {"T7"}
    assert [finding.place.seq for finding in findings if finding.place] == [5, 6, 7, 8]


def test_a_receipt_dated_after_its_batch_closed_is_found(files: list[ReceiptsFile]) -> None:
    findings = replayed(forged(files[0], closed_at=files[0].header.closed_at - 1))

    assert [(one.rule, one.place) for one in findings] == [("T7", Place(1, 3, 4))]


def test_a_receipt_that_the_operator_did_not_sign_is_found(files: list[ReceiptsFile]) -> None:
    stranger = signatures([entry.item for entry in files[0].entries], PAYERS[2])
    entries = tuple(replace(one, signature=sig) for one, sig in zip(files[0].entries, stranger, strict=True))

    by_stranger = replayed(replace(files[0], entries=entries))
    by_nobody = replayed(replace(files[0], operators=()))
    junk = replayed(replace(files[0], entries=(replace(entries[0], signature=b""), *files[0].entries[1:])))

    assert {one.fault for one in by_stranger + by_nobody + junk} == {Fault.UNSIGNED}
    assert (len(by_stranger), len(by_nobody), len(junk)) == (4, 4, 1)


def test_a_second_signature_on_one_number_is_an_equivocation(files: list[ReceiptsFile]) -> None:
    posted = files[1].entries[2].receipt
    other = replace(posted, output_commit=word("another answer"))

    def signed(receipt: UsageReceipt, operator: int = 23) -> SignedLeaf:
        return SignedLeaf(receipt, key(operator).sign(receipt.digest(LEDGER.domain)))

    elsewhere = replace(other, node=OTHER_NODE)
    later = replace(other, seq=99)
    free = replace(other, seq=0)
    harmless = [signed(posted), signed(other, 24), signed(elsewhere), signed(later), signed(free)]
    junk = SignedLeaf(other, b"\x00" * 65)

    (finding,) = equivocations(files[1], OPERATOR, [*harmless, junk, signed(other)])

    assert finding.place == Place(2, 2, posted.seq)
    assert finding.signed == signed(other)


def test_claims_above_what_is_charged_are_found(files: list[ReceiptsFile]) -> None:
    replay = Replay(LEDGER)
    assert not replay.add(files[0])
    channel_id = files[0].entries[0].receipt.channel_id
    charged = replay.tip.state.tree.get(charged_key(channel_id))

    claimed = {channel_id: charged, word("nobody's channel"): 0}
    assert over_claims(replay.tip.state, 1, claimed) == []
    (finding,) = over_claims(replay.tip.state, 1, claimed | {channel_id: charged + 1})
    assert finding.channel_id == channel_id


def test_a_rolled_back_ledger_takes_the_epoch_again(files: list[ReceiptsFile]) -> None:
    replay = Replay(ledger_of(files[0]))
    for file in files:
        replay.add(file)

    replay.roll_back(1)

    assert replay.tip.epoch == 1
    assert [replay.add(file) for file in files[1:]] == [[], []]
