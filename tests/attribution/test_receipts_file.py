"""The receipts file: one encoding per batch, enough to rebuild the header, refused when a byte changes."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from attribution.batch import build, verify
from attribution.receipts_file import InvalidReceiptsFile, ReceiptsFile
from attribution.transition import Registered
from contracts.crypto import ZERO_BYTES32
from tests.attribution.ledgers import ADAPTERS, OPERATOR, PAYERS, HonestNode, key, signatures, terms, word
from tests.attribution.ledgers import published as publish


@pytest.fixture(scope="module", params=[1, 2])
def published(request: pytest.FixtureRequest) -> ReceiptsFile:
    node = HonestNode()
    items = [node.serve(PAYERS[0], 0), node.serve(PAYERS[0], None), *node.serve_many(6, seed=5)]
    file = publish(node.genesis, items)
    unsigned = tuple(replace(entry, signature=None) for entry in file.entries)
    return file if request.param == 2 else replace(file, version=1, operators=(), entries=unsigned)


def edited(raw: bytes, **changes: Any) -> bytes:
    return json.dumps(json.loads(raw) | changes, sort_keys=True, separators=(",", ":")).encode()


def test_encoding_then_decoding_changes_nothing(published: ReceiptsFile) -> None:
    raw = published.encode()

    decoded = ReceiptsFile.decode(raw)

    assert decoded == published
    assert decoded.encode() == raw
    assert decoded.rebuilt_root() == published.header.receipts_root


def test_an_auditor_rebuilds_the_header_from_the_file_and_the_registrations(published: ReceiptsFile) -> None:
    decoded = ReceiptsFile.decode(published.encode())

    assert (
        verify(HonestNode().genesis, decoded.header, [entry.item for entry in decoded.entries]).header
        == published.header
    )


def test_preimages_are_stored_once(published: ReceiptsFile) -> None:
    document = json.loads(published.encode())

    assert len(document["priceLists"]) == 1
    assert len(document["channels"]) == len({entry.receipt.channel_id for entry in published.entries})
    assert len(document["terms"]) == len({entry.evidence.terms for entry in published.entries} - {None})


def test_no_changed_byte_is_accepted(published: ReceiptsFile) -> None:
    raw = published.encode()
    draw = random.Random(7)

    for _ in range(300):
        at = draw.randrange(len(raw))
        forged = raw[:at] + bytes([raw[at] ^ draw.randrange(1, 128)]) + raw[at + 1 :]
        try:
            decoded = ReceiptsFile.decode(forged)
        except InvalidReceiptsFile:
            continue
        # what the receipts root does not bind are signatures and header fields: those are judged against the chain
        assert decoded.rebuilt_root() == published.header.receipts_root
        assert [entry.receipt for entry in decoded.entries] == [entry.receipt for entry in published.entries]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("version", "version"),
        ("channels", "KeyError"),
        ("priceLists", "KeyError"),
        ("vouchers", "KeyError"),
        ("receipts", "canonical"),
        ("header", "StructError"),
        ("settlement", "cannot be read"),
    ],
)
def test_a_file_without_one_of_its_parts_is_refused(published: ReceiptsFile, name: str, complaint: str) -> None:
    with pytest.raises(InvalidReceiptsFile, match=complaint):
        ReceiptsFile.decode(edited(published.encode(), **{name: []}))


def test_a_spare_part_or_other_spacing_is_refused(published: ReceiptsFile) -> None:
    raw = published.encode()
    spare = json.loads(raw)["channels"] * 2

    for forged in (edited(raw, channels=spare), edited(raw, note="hello"), raw + b"\n", raw.replace(b":", b": ")):
        with pytest.raises(InvalidReceiptsFile, match="canonical"):
            ReceiptsFile.decode(forged)


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 5_000, b"[" * 200_000], ids=len)
def test_bytes_that_are_no_file_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidReceiptsFile, match="cannot be read"):
        ReceiptsFile.decode(raw)


def test_every_signature_is_in_the_file_and_by_the_operator_of_its_time() -> None:
    node, old, new = HonestNode(), key(50), key(51)
    items = node.serve_many(4, seed=8)
    turn = items[2].receipt.finished_at
    windows = [Registered(old.address, 0, turn), Registered(new.address, turn), Registered(OPERATOR, turn + 100)]
    signed = [*signatures(items[:2], old), *signatures(items[2:], new)]

    file = ReceiptsFile.decode(ReceiptsFile.of(build(node.genesis, items), items, signed, windows).encode())

    assert [file.signer_of(entry) for entry in file.entries] == [old.address] * 2 + [new.address] * 2
    assert [window.value for window in file.operators] == [old.address, new.address]
    assert all(file.operator_at(entry.receipt.finished_at) == file.signer_of(entry) for entry in file.entries)


def test_a_window_that_ends_after_the_batch_closed_does_not_change_its_bytes() -> None:
    node = HonestNode()
    items = node.serve_many(5, seed=9)
    closed_at = items[-1].receipt.finished_at
    ended = [
        replace(
            item,
            evidence=replace(
                item.evidence,
                price_list=replace(item.evidence.price_list, until=closed_at + 1),
                terms=item.evidence.terms and replace(item.evidence.terms, until=closed_at + 9),
                terms_from=closed_at + 5,
            ),
        )
        for item in items
    ]

    assert publish(node.genesis, ended).encode() == publish(node.genesis, items).encode()


def test_a_list_that_is_registered_again_has_both_windows() -> None:
    node = HonestNode()
    items = node.serve_many(4, seed=10)
    turn, value = items[2].receipt.started_at, node.price_list.value
    windows = [Registered(value, 5, 7), Registered(value, turn)]
    judged = [
        replace(item, evidence=replace(item.evidence, price_list=windows[item.receipt.started_at >= turn]))
        for item in items
    ]
    earlier = [
        replace(item, evidence=replace(item.evidence, price_list=Registered(value, 5, turn))) for item in judged[:2]
    ]

    file = ReceiptsFile.decode(publish(node.genesis, [*earlier, *judged[2:]]).encode())

    assert [entry.evidence.price_list.from_ for entry in file.entries] == [5, 5, turn, turn]


def test_the_first_terms_of_an_adapter_are_named_for_receipts_without_terms() -> None:
    node = HonestNode()
    first = node.serve(PAYERS[0], None)
    bound = node.serve(PAYERS[0], 1, registered_terms=Registered(replace(terms(1), adapter_key=ADAPTERS[1]), 0))
    unbound = node.serve(PAYERS[0], None, unregistered=word("nobody's adapter"))
    late = replace(unbound, evidence=replace(unbound.evidence, terms_from=unbound.receipt.finished_at))

    file = ReceiptsFile.decode(publish(node.genesis, [first, bound, late]).encode())

    assert [entry.receipt.terms_hash == ZERO_BYTES32 for entry in file.entries] == [True, False, True]
    assert [entry.evidence.terms_from for entry in file.entries] == [None, None, unbound.receipt.finished_at]
    assert json.loads(file.encode())["withoutTerms"] == [
        {"adapterKey": "0x" + word("nobody's adapter").hex(), "until": str(unbound.receipt.finished_at)}
    ]
