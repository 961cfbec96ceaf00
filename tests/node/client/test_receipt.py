"""A payer believes no receipt: each field it knows better is checked, and the error names it."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.crypto import ZERO_BYTES32, PrivateKey, keccak
from contracts.encoding import commitment
from contracts.structs import UsageReceipt, openlora_domain
from node.client.errors import ReceiptRefused
from node.client.node import QuotedPrices
from node.client.receipt import Expectation, ReceivedOutput, SignedReceipt, verify, verify_signed
from tests.node.client.answers import OPERATOR, RECEIVER, SETTLEMENT, VAULT, receipt_json, signed_again

SALTS = keccak(b"prompt salt"), keccak(b"output salt")
PROMPT, OUTPUT = b'{"model":"x"}', "Zwei Löffel.".encode()
EXPECTED = Expectation(
    domain=RECEIVER.domain,
    operator=OPERATOR.address,
    node=VAULT,
    channel_id=keccak(b"channel"),
    request_digest=keccak(b"request"),
    adapter_key=keccak(b"adapter"),
    price_hash=keccak(b"prices"),
    prices=QuotedPrices(prompt_per_m=2_000_000, cached_per_m=1_000_000, output_per_m=8_000_001, min_fee=50),
    max_fee=100,
    prompt=PROMPT,
)
ANSWER = ReceivedOutput(OUTPUT, prompt_tokens=12, completion_tokens=5)
RECEIPT = UsageReceipt(
    node=VAULT,
    seq=3,
    channel_id=EXPECTED.channel_id,
    request_digest=EXPECTED.request_digest,
    adapter_key=EXPECTED.adapter_key,
    price_hash=EXPECTED.price_hash,
    terms_hash=keccak(b"terms"),
    shares_hash=ZERO_BYTES32,
    attribution_version=1,
    prompt_commit=commitment(SALTS[0], PROMPT),
    output_commit=commitment(SALTS[1], OUTPUT),
    tokens_in=10,
    tokens_cached=2,
    tokens_out=5,
    fee=63,
    cum_before=40,
    voucher_max=140,
    started_at=100,
    finished_at=101,
    status=0,
)


def document(receipt: UsageReceipt = RECEIPT) -> dict[str, Any]:
    return receipt_json(receipt, SALTS)


def refused_field(changed: dict[str, Any], expected: Expectation = EXPECTED, answer: ReceivedOutput = ANSWER) -> str:
    with pytest.raises(ReceiptRefused) as refused:
        verify(SignedReceipt.parse(changed), expected, answer)
    return refused.value.field


def test_a_receipt_that_agrees_with_everything_is_accepted() -> None:
    signed = SignedReceipt.parse(document())

    verify(signed, EXPECTED, ANSWER)

    assert [(line.label, line.amount) for line in signed.lines] == [("operator", 57), ("treasury", 6)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"node": PrivateKey(keccak(b"x")).address}, "node"),
        ({"channel_id": keccak(b"x")}, "channelId"),
        ({"request_digest": keccak(b"x")}, "requestDigest"),
        ({"adapter_key": ZERO_BYTES32}, "adapterKey"),
        ({"price_hash": keccak(b"x")}, "priceHash"),
        ({"shares_hash": keccak(b"x")}, "sharesHash"),
        ({"attribution_version": 2}, "attributionVersion"),
        ({"prompt_commit": keccak(b"x")}, "promptCommit"),
        ({"output_commit": keccak(b"x")}, "outputCommit"),
        ({"tokens_in": 11}, "tokensIn"),
        ({"tokens_cached": 3}, "tokensIn"),
        ({"tokens_out": 6}, "tokensOut"),
        ({"fee": 64}, "fee"),
        ({"fee": 62}, "fee"),
        ({"fee": 0}, "fee"),
        ({"voucher_max": 102}, "voucherMax"),
        ({"cum_before": 78}, "voucherMax"),
        ({"finished_at": 99}, "finishedAt"),
    ],
)
def test_a_changed_field_is_named_even_if_the_operator_signed_it(change: dict[str, Any], field: str) -> None:
    changed = document()
    signed_again(changed, **change)

    assert refused_field(changed) == field


@pytest.mark.parametrize("name", list(RECEIPT.to_json()))
def test_a_field_changed_after_signing_breaks_the_id(name: str) -> None:
    changed = document()
    value = changed["receipt"][name]
    changed["receipt"][name] = _other(value)

    assert refused_field(changed) == "id"


def test_a_signature_by_somebody_else_is_refused() -> None:
    changed = document()
    stranger = PrivateKey(keccak(b"stranger"))
    changed["signature"] = "0x" + stranger.sign(RECEIPT.digest(RECEIVER.domain)).hex()

    assert refused_field(changed) == "signature"


def test_a_signature_for_another_chain_is_refused() -> None:
    assert refused_field(document(), replace(EXPECTED, domain=openlora_domain(1, SETTLEMENT))) == "signature"


@pytest.mark.parametrize("signature", ["0x", "0x" + "00" * 65, "0x" + "ff" * 65])
def test_bytes_that_are_no_signature_are_refused(signature: str) -> None:
    assert refused_field(document() | {"signature": signature}) == "signature"


@pytest.mark.parametrize(("name", "field"), [("promptSalt", "promptCommit"), ("outputSalt", "outputCommit")])
def test_commitments_open_with_their_salts_only(name: str, field: str) -> None:
    assert refused_field(document() | {name: "0x" + "11" * 32}) == field
    assert refused_field(document() | {name: None}) == field


def test_another_prompt_or_output_than_sent_and_received_is_refused() -> None:
    assert refused_field(document(), replace(EXPECTED, prompt=b'{"model": "x"}')) == "promptCommit"
    assert refused_field(document(), answer=replace(ANSWER, output=OUTPUT + b" ")) == "outputCommit"


def test_lines_that_miss_a_unit_are_refused() -> None:
    changed = document()
    changed["lines"][0]["amount"] = "56"

    assert refused_field(changed) == "lines"


def test_a_fee_at_its_price_but_above_the_signed_maximum_is_refused() -> None:
    assert refused_field(document(), replace(EXPECTED, max_fee=62)) == "fee"


def test_the_least_fee_applies_to_tiny_requests() -> None:
    tiny = replace(RECEIPT, tokens_in=1, tokens_cached=0, tokens_out=1, fee=50)

    verify(SignedReceipt.parse(document(tiny)), EXPECTED, replace(ANSWER, prompt_tokens=1, completion_tokens=1))


def test_an_unbatched_receipt_of_nothing_is_accepted() -> None:
    nothing = replace(
        RECEIPT, seq=0, fee=0, cum_before=0, voucher_max=0, tokens_in=0, tokens_cached=0, tokens_out=0, status=2
    )

    verify(SignedReceipt.parse(document(nothing)), EXPECTED, ReceivedOutput(OUTPUT))


def test_anybody_can_check_signature_and_sum_without_the_salts() -> None:
    public = document() | {"promptSalt": None, "outputSalt": None}

    verify_signed(SignedReceipt.parse(public), RECEIVER.domain, OPERATOR.address, VAULT)


@pytest.mark.parametrize(
    "value", [None, [], "text", {}, {"id": "0x12"}, document() | {"receipt": {}}, document() | {"lines": [1]}]
)
def test_what_is_no_receipt_is_refused_as_malformed(value: object) -> None:
    with pytest.raises(ReceiptRefused, match="receipt is malformed"):
        SignedReceipt.parse(value)


def _other(value: str) -> str:
    """A different value of the same form."""
    if len(value) == 42:
        return PrivateKey(keccak(b"x")).address
    return "0x" + "77" * 32 if value.startswith("0x") else str((int(value) + 1) % 2)
