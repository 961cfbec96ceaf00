"""The receipts file: one encoding per batch, enough to rebuild the header, refused when a byte changes."""

import json
import random
from typing import Any

import pytest

from attribution.batch import Item, build, verify
from attribution.receipts_file import InvalidReceiptsFile, ReceiptsFile
from attribution.transition import Evidence, Registered
from tests.attribution.ledgers import PAYERS, HonestNode


@pytest.fixture(scope="module")
def published() -> ReceiptsFile:
    node = HonestNode()
    items = [node.serve(PAYERS[0], 0), node.serve(PAYERS[0], None), *node.serve_many(6, seed=5)]
    return ReceiptsFile.of(build(node.genesis, items), items)


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

    items = [
        Item(
            entry.receipt,
            Evidence(
                entry.config,
                entry.voucher_signature,
                Registered(entry.price_list, 0),
                Registered(entry.terms, 0) if entry.terms else None,
                None,
                entry.request,
                entry.request_signature,
            ),
        )
        for entry in decoded.entries
    ]

    assert verify(HonestNode().genesis, decoded.header, items).header == published.header


def test_preimages_are_stored_once(published: ReceiptsFile) -> None:
    document = json.loads(published.encode())

    assert len(document["priceLists"]) == 1
    assert len(document["channels"]) == len({entry.receipt.channel_id for entry in published.entries})
    assert len(document["terms"]) == len({entry.terms for entry in published.entries} - {None})


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
