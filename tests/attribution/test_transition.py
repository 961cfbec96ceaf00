"""The transition: honest receipts pass and keep the books; every changed field is refused by a named rule."""

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.batch import Item
from attribution.split import TREASURY, Payee, lines
from attribution.state_tree import charged_key, earned_key
from attribution.transition import Evidence, InvalidTransition, Ledger, LedgerState, Registered, apply
from contracts.crypto import ZERO_ADDRESS, ZERO_BYTES32, PrivateKey
from contracts.structs import UsageReceipt, openlora_domain
from contracts.x402 import Voucher, x402_domain
from tests.attribution.ledgers import (
    CHAIN_ID,
    LEDGER,
    NODE,
    OWNERS,
    PAYERS,
    SETTLEMENT,
    TOKEN,
    HonestNode,
    channel,
    price_list,
    terms,
    word,
)

CHARGED_BIT = 1 << 255


def run(state: LedgerState, items: list[Item]) -> LedgerState:
    for item in items:
        state = apply(state, item.receipt, item.evidence)
    return state


def rule_broken_by(state: LedgerState, receipt: UsageReceipt, evidence: Evidence) -> str:
    with pytest.raises(InvalidTransition) as refusal:
        apply(state, receipt, evidence)
    return refusal.value.rule


@pytest.fixture(scope="module")
def second() -> tuple[LedgerState, Item]:
    """The state after one receipt and an honest second one of the same channel."""
    node = HonestNode()
    first, item = node.serve(PAYERS[0], 1), node.serve(PAYERS[0], 2, (10, 20, 30))
    return run(LedgerState.genesis(LEDGER), [first]), item


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 15), st.integers(0, 2**32))
def test_earned_equals_charged_equals_the_total(count: int, seed: int) -> None:
    items = HonestNode().serve_many(count, seed)

    state = run(LedgerState.genesis(LEDGER), items)

    charged = sum(value for key, value in state.tree.items() if key & CHARGED_BIT)
    earned = sum(value for key, value in state.tree.items() if not key & CHARGED_BIT)
    assert earned == charged == state.cum_total == sum(item.receipt.fee for item in items)


def test_a_receipt_moves_its_payees_its_channel_and_nothing_else(second: tuple[LedgerState, Item]) -> None:
    state, item = second

    after = apply(state, item.receipt, item.evidence)

    expected = dict(state.tree.items())
    for payee, amount in lines(item.receipt.fee, price_list(), terms(2)).items():
        expected[earned_key(payee)] = expected.get(earned_key(payee), 0) + amount
    expected[charged_key(item.receipt.channel_id)] += item.receipt.fee
    assert dict(after.tree.items()) == expected
    assert after.seq == 2
    assert after.finished_at == item.receipt.finished_at


def test_a_node_without_receipts_has_earned_nothing() -> None:
    state = LedgerState.genesis(LEDGER)

    assert (state.seq, state.cum_total, state.tree.get(earned_key(TREASURY))) == (0, 0, 0)


# what a change of each field alone breaks first
BROKEN = {
    "node": {"T1"},
    "seq": {"T1"},
    "status": {"T1"},
    "channel_id": {"T2"},
    "voucher_max": {"T2"},
    "price_hash": {"T3"},
    "terms_hash": {"T3"},
    "adapter_key": {"T3"},
    "tokens_in": {"T3"},
    "tokens_cached": {"T3"},
    "tokens_out": {"T3"},
    "fee": {"T1", "T3"},
    "cum_before": {"T4"},
    "shares_hash": {"T5"},
    "attribution_version": {"T5"},
    "started_at": {"T7"},
    "finished_at": {"T7"},
    "request_digest": {"T9"},
}
UNJUDGED = {"prompt_commit", "output_commit"}  # commitments to texts that only the payer holds


def test_every_field_of_a_receipt_is_judged_but_the_commitments() -> None:
    assert {field.name for field in fields(UsageReceipt)} == set(BROKEN) | UNJUDGED


@pytest.mark.parametrize("name", BROKEN)
def test_a_receipt_with_one_changed_field_is_refused(name: str, second: tuple[LedgerState, Item]) -> None:
    state, item = second
    honest = getattr(item.receipt, name)
    changed: list[object]
    if isinstance(honest, bytes):
        changed = [ZERO_BYTES32, word("other")] if honest != ZERO_BYTES32 else [word("other")]
    elif isinstance(honest, str):
        changed = [ZERO_ADDRESS, OWNERS[0]]
    elif name == "status":
        changed = [2, 255]
    elif name in ("started_at", "finished_at"):
        changed = [honest + (5_000 if name == "finished_at" else 2), 0]
    else:
        changed = [honest + 1, 0 if honest else 2]

    for value in changed:
        forged = replace(item.receipt, **{name: value})
        assert rule_broken_by(state, forged, item.evidence) in BROKEN[name]


def other_signature(item: Item) -> Evidence:
    voucher = Voucher(item.receipt.channel_id, item.receipt.voucher_max)
    return replace(item.evidence, voucher_signature=PAYERS[1].sign(voucher.digest(x402_domain(CHAIN_ID))))


FORGED_EVIDENCE: list[tuple[str, str, Callable[[Item], Evidence]]] = [
    ("a voucher signed by somebody else", "T2", other_signature),
    ("no voucher signature", "T2", lambda item: replace(item.evidence, voucher_signature=b"")),
    (
        "another channel",
        "T2",
        lambda item: replace(item.evidence, config=replace(item.evidence.config, salt=word("salt"))),
    ),
    (
        "another price list",
        "T3",
        lambda item: replace(
            item.evidence, price_list=Registered(replace(item.evidence.price_list.value, min_fee=0), 0)
        ),
    ),
    ("no terms", "T3", lambda item: replace(item.evidence, terms=None)),
    ("terms of another adapter", "T3", lambda item: replace(item.evidence, terms=Registered(terms(0), 0))),
    (
        "a price list that starts later",
        "T3",
        lambda item: replace(item.evidence, price_list=Registered(price_list(), item.receipt.started_at + 1)),
    ),
    (
        "a price list that has ended",
        "T3",
        lambda item: replace(item.evidence, price_list=Registered(price_list(), 0, item.receipt.started_at)),
    ),
    (
        "terms that have ended",
        "T3",
        lambda item: replace(item.evidence, terms=Registered(terms(2), 0, item.receipt.started_at)),
    ),
    ("no request", "T9", lambda item: replace(item.evidence, request=None)),
    ("no request signature", "T9", lambda item: replace(item.evidence, request_signature=None)),
    ("a request signed by somebody else", "T9", lambda item: resigned(item, PAYERS[2])),
]


def resigned(item: Item, signer: PrivateKey) -> Evidence:
    assert item.evidence.request is not None
    return replace(item.evidence, request_signature=signer.sign(item.evidence.request.digest(LEDGER.domain)))


@pytest.mark.parametrize(("what", "rule", "forge"), FORGED_EVIDENCE, ids=[case[0] for case in FORGED_EVIDENCE])
def test_evidence_that_does_not_open_the_receipt_is_refused(
    what: str, rule: str, forge: Callable[[Item], Evidence], second: tuple[LedgerState, Item]
) -> None:
    state, item = second

    assert rule_broken_by(state, item.receipt, forge(item)) == rule


@pytest.mark.parametrize(
    "change",
    [
        {"node": OWNERS[0]},
        {"channel_id": word("channel")},
        {"adapter_key": word("adapter")},
        {"price_hash": word("price")},
        {"max_fee": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_request_that_disagrees_with_its_receipt_is_refused(
    change: dict[str, object], second: tuple[LedgerState, Item]
) -> None:
    state, item = second
    assert item.evidence.request is not None
    other = replace(item.evidence.request, **change)  # type: ignore[arg-type]  # one field of its own type each
    digest = other.digest(LEDGER.domain)
    evidence = replace(item.evidence, request=other, request_signature=PAYERS[0].sign(digest))

    assert rule_broken_by(state, replace(item.receipt, request_digest=digest), evidence) == "T9"


@pytest.mark.parametrize(
    "ledger",
    [
        Ledger(NODE, TOKEN, openlora_domain(1, SETTLEMENT)),
        Ledger(NODE, TOKEN, openlora_domain(CHAIN_ID, OWNERS[0])),
        Ledger(NODE, OWNERS[0], LEDGER.domain),
        Ledger(OWNERS[0], TOKEN, LEDGER.domain),
    ],
    ids=["chain", "settlement", "token", "node"],
)
def test_a_receipt_of_another_ledger_is_refused(ledger: Ledger) -> None:
    item = HonestNode().serve(PAYERS[0], 0)

    assert rule_broken_by(LedgerState.genesis(ledger), item.receipt, item.evidence) in {"T1", "T2", "T9"}


def test_a_channel_to_another_vault_is_refused() -> None:
    item = HonestNode().serve(PAYERS[0], 0)
    config = channel(PAYERS[0], OWNERS[0])
    receipt = replace(item.receipt, channel_id=config.channel_id(CHAIN_ID))

    assert rule_broken_by(LedgerState.genesis(LEDGER), receipt, replace(item.evidence, config=config)) == "T2"


def test_a_channel_without_a_signing_key_is_refused() -> None:
    item = HonestNode().serve(PAYERS[0], 0)
    config = replace(channel(PAYERS[0]), payer_authorizer=ZERO_ADDRESS)
    receipt = replace(item.receipt, channel_id=config.channel_id(CHAIN_ID))

    assert rule_broken_by(LedgerState.genesis(LEDGER), receipt, replace(item.evidence, config=config)) == "T2"


def test_naming_no_terms_is_valid_only_before_an_adapter_has_some() -> None:
    node = HonestNode()
    item = node.serve(PAYERS[0], None)
    state = LedgerState.genesis(LEDGER)

    later = replace(item.evidence, terms_from=item.receipt.started_at + 1)
    already = replace(item.evidence, terms_from=item.receipt.started_at)

    assert apply(state, item.receipt, later).seq == 1
    assert rule_broken_by(state, item.receipt, already) == "T3"


def test_a_request_longer_than_the_limit_is_refused(second: tuple[LedgerState, Item]) -> None:
    _, item = second
    state = LedgerState.genesis(replace(LEDGER, max_duration_s=0))
    first = replace(item.receipt, seq=1, cum_before=0)

    assert rule_broken_by(state, first, item.evidence) == "T7"


def test_a_total_above_128_bits_is_refused(second: tuple[LedgerState, Item]) -> None:
    state, item = second

    assert rule_broken_by(replace(state, cum_total=2**128 - 1), item.receipt, item.evidence) == "T6"


def test_parts_above_the_fee_are_refused() -> None:
    greedy = Registered(replace(terms(0), royalty_ppm=900_000), 0)
    item = HonestNode().serve(PAYERS[0], 0, registered_terms=greedy)

    assert rule_broken_by(LedgerState.genesis(LEDGER), item.receipt, item.evidence) == "T3"


def test_a_stock_client_consents_by_its_voucher_alone() -> None:
    item = HonestNode().serve(PAYERS[0], 0, signed_request=False)

    after = apply(LedgerState.genesis(LEDGER), item.receipt, item.evidence)

    assert item.evidence.request is None
    assert after.tree.get(earned_key(Payee.of_address(OWNERS[0]))) == item.receipt.fee // 5
