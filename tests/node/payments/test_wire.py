import base64
import json
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.crypto import Bytes32
from contracts.payment import OPENLORA_REQUEST, PAYMENT_SIGNATURE, payment_payload, to_header
from node.payments import wire
from node.payments.errors import PaymentInvalid
from node.payments.wire import MAX_HEADER_BYTES, PaymentHeaders, parse_headers, requirements
from tests.node.payments.payer import Payer, key
from tests.node.payments.shop import ADAPTER, PRICES, RECEIVER

PAYER = Payer(RECEIVER)
REQUEST = PAYER.request(max_fee=10**15, price_hash=PRICES.struct_hash(), adapter_key=ADAPTER, nonce=7)
GOOD = PAYER.headers(REQUEST, PAYER.voucher(10**15))

uint128 = st.integers(0, 2**128 - 1)
uint256 = st.integers(0, 2**256 - 1)


def decoded(header: str) -> dict[str, object]:
    made: dict[str, object] = json.loads(base64.b64decode(header))
    return made


@given(max_fee=uint128, nonce=uint256, deadline=st.integers(0, 2**64 - 1), seed=st.binary(max_size=8))
def test_a_signed_request_survives_the_wire(max_fee: int, nonce: int, deadline: int, seed: bytes) -> None:
    payer = Payer(RECEIVER, session=key(seed.hex()))
    request = payer.request(
        max_fee=max_fee, price_hash=PRICES.struct_hash(), adapter_key=ADAPTER, nonce=nonce, deadline=deadline
    )
    signed = payer.sign(request)

    assert wire.parse_request(signed.to_header()) == signed


@given(amount=uint128, salt=st.binary(min_size=32, max_size=32))
def test_a_voucher_survives_the_wire_with_and_without_its_envelope(amount: int, salt: bytes) -> None:
    signed = Payer(RECEIVER, salt=Bytes32(salt)).voucher(amount)
    envelope = payment_payload(signed.to_payload(), requirements(RECEIVER, amount))

    assert wire.parse_payment_signature(to_header(envelope), RECEIVER) == signed
    assert wire.parse_voucher(json.loads(json.dumps(envelope)), RECEIVER) == signed
    assert wire.parse_voucher(json.loads(json.dumps(signed.to_payload())), RECEIVER) == signed


@given(amount=uint128, salt=uint256, until=uint256)
def test_a_deposit_survives_the_wire(amount: int, salt: int, until: int) -> None:
    deposit = PAYER.deposit(amount, salt=salt, until=until)
    envelope = payment_payload(deposit.to_payload(), requirements(RECEIVER, amount))

    assert wire.parse_deposit(json.loads(json.dumps(envelope)), RECEIVER) == deposit
    assert wire.parse_deposit(json.loads(json.dumps(deposit.to_payload())), RECEIVER) == deposit


def test_header_names_are_read_in_any_case() -> None:
    payment = parse_headers({name.swapcase(): value for name, value in GOOD.items()}, RECEIVER)

    assert payment is not None
    assert payment.signed_request.request == REQUEST


def test_a_request_without_payment_headers_carries_no_payment() -> None:
    assert parse_headers({"content-type": "application/json"}, RECEIVER) is None


def test_a_voucher_alone_is_a_stock_client_s_payment() -> None:
    both, alone = (parse_headers(sent, RECEIVER) for sent in (GOOD, {PAYMENT_SIGNATURE: GOOD[PAYMENT_SIGNATURE]}))

    assert both is not None
    assert alone == PaymentHeaders(None, both.signed_voucher)


def test_version_1_of_x402_is_answered_with_what_to_do() -> None:
    with pytest.raises(PaymentInvalid, match="send PAYMENT-SIGNATURE"):
        parse_headers({**GOOD, "X-PAYMENT": "e30="}, RECEIVER)


def test_a_header_sent_twice_is_refused() -> None:
    with pytest.raises(PaymentInvalid, match="sent twice"):
        parse_headers({**GOOD, OPENLORA_REQUEST.lower(): GOOD[OPENLORA_REQUEST]}, RECEIVER)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("header", [OPENLORA_REQUEST, PAYMENT_SIGNATURE])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "does not hold JSON"),
        ("{}", "is not base64"),
        ("ü", "is not base64"),
        ("e30", "is not base64"),
        (b64("not json"), "does not hold JSON"),
        (base64.b64encode(b"\xff\xfe\xfa").decode(), "does not hold JSON"),
        (b64("[]"), "must be a JSON object"),
        (b64("null"), "must be a JSON object"),
        (b64('{"a": NaN}'), "NaN is not JSON"),
        (b64('{"a": 1, "a": 1}'), "given twice"),
        (b64("[" * 5000), "does not hold JSON"),
        (b64('{"a": ' + "9" * 5000 + "}"), "does not hold JSON"),
        ("A" * (MAX_HEADER_BYTES + 4), "larger than"),
    ],
)
def test_a_header_that_holds_no_object_is_refused_by_name(header: str, value: str, problem: str) -> None:
    with pytest.raises(PaymentInvalid, match=problem) as invalid:
        parse_headers({**GOOD, header: value}, RECEIVER)

    assert invalid.value.field == header


def changed(header: str, change: Callable[[dict[str, object]], object]) -> dict[str, str]:
    document = deepcopy(decoded(GOOD[header]))
    change(document)
    return {**GOOD, header: to_header(document)}


def put(*path: str, value: object) -> Callable[[dict[str, object]], object]:
    """Sets a member deep in a document; None takes it away."""

    def change(document: dict[str, object]) -> None:
        inner = document
        for name in path[:-1]:
            found = inner[name]
            assert isinstance(found, dict)
            inner = found
        inner[path[-1]] = value
        if value is None:
            del inner[path[-1]]

    return change


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("request",), None, "is missing"),
        (("request",), [], "must be a JSON object"),
        (("request", "maxFee"), None, "lacks maxFee"),
        (("request", "maxFee"), "-1", "decimal string"),
        (("request", "maxFee"), "01", "decimal string"),
        (("request", "maxFee"), 1.5, "decimal string"),
        (("request", "maxFee"), True, "decimal string"),
        (("request", "maxFee"), str(2**128), "does not fit uint128"),
        (("request", "deadline"), str(2**64), "does not fit uint64"),
        (("request", "node"), "0x12", "not an address"),
        (("request", "node"), RECEIVER.vault.swapcase(), "not an address"),
        (("request", "channelId"), "0x" + "00" * 31, "64 hex digits"),
        (("request", "tip"), "1", "unknown fields: tip"),
        (("signature",), None, "is missing"),
        (("signature",), 5, "must be a string"),
        (("signature",), "0xzz", "hex digits"),
        (("signature",), "0x" + "00" * 64, "65 bytes"),
        (("signature",), "0x" + "00" * 2000, "65 bytes"),
        (("note",), "hi", "not a known member"),
    ],
)
def test_a_malformed_signed_request_is_refused_by_member(path: tuple[str, ...], value: object, problem: str) -> None:
    with pytest.raises(PaymentInvalid, match=problem) as invalid:
        parse_headers(changed(OPENLORA_REQUEST, put(*path, value=value)), RECEIVER)

    assert invalid.value.field.startswith(f"{OPENLORA_REQUEST}.{path[0]}")


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("x402Version",), 1, "must be 2"),
        (("x402Version",), None, "is missing"),
        (("accepted",), None, "is missing"),
        (("accepted", "scheme"), "exact", "must be batch-settlement"),
        (("accepted", "network"), "eip155:1", "must be eip155:31337"),
        (("accepted", "asset"), RECEIVER.vault, f"must be {RECEIVER.token}"),
        (("accepted", "payTo"), RECEIVER.token, f"must be {RECEIVER.vault}"),
        (("payload",), None, "is missing"),
        (("payload", "type"), "deposit", "POST /payments/channels"),
        (("payload", "type"), "refund", "must be 'voucher'"),
        (("payload", "channelConfig"), None, "is missing"),
        (("payload", "channelConfig", "payer"), 1, "payer"),
        (("payload", "channelConfig", "withdrawDelay"), str(2**40), "does not fit uint40"),
        (("payload", "voucher"), "0x", "must be a JSON object"),
        (("payload", "voucher", "maxClaimableAmount"), str(2**128), "does not fit uint128"),
        (("payload", "voucher", "maxClaimableAmount"), "1e9", "decimal string"),
        (("payload", "voucher", "channelId"), "0x", "64 hex digits"),
        (("payload", "voucher", "signature"), "0x00", "65 bytes"),
    ],
)
def test_a_malformed_voucher_header_is_refused_by_member(path: tuple[str, ...], value: object, problem: str) -> None:
    with pytest.raises(PaymentInvalid, match=problem) as invalid:
        parse_headers(changed(PAYMENT_SIGNATURE, put(*path, value=value)), RECEIVER)

    assert invalid.value.field.startswith(f"{PAYMENT_SIGNATURE}.{path[0]}")


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("deposit",), None, "is missing"),
        (("deposit", "amount"), "-5", "decimal string"),
        (("deposit", "amount"), str(2**128), "does not fit uint128"),
        (("deposit", "authorization"), None, "is missing"),
        (("deposit", "authorization", "erc3009Authorization"), None, "Permit2 is not accepted"),
        (("deposit", "authorization", "erc3009Authorization", "salt"), "0x" + "f" * 65, "decimal string"),
        (("deposit", "authorization", "erc3009Authorization", "validBefore"), None, "is missing"),
        (("deposit", "authorization", "erc3009Authorization", "signature"), "0x" + "00" * 66, "65 bytes"),
        (("type",), "voucher", "must be 'deposit'"),
    ],
)
def test_a_malformed_deposit_is_refused_by_member(path: tuple[str, ...], value: object, problem: str) -> None:
    payload = json.loads(json.dumps(PAYER.deposit(10**9).to_payload()))
    put(*path, value=value)(payload)

    with pytest.raises(PaymentInvalid, match=problem):
        wire.parse_deposit(payload, RECEIVER)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(document=json_values)
def test_no_json_at_all_breaks_the_parser(document: object) -> None:
    for parse in (wire.parse_deposit, wire.parse_voucher):
        with pytest.raises(PaymentInvalid):
            parse(document, RECEIVER)


@given(data=st.data())
def test_no_change_to_a_good_header_gives_anything_but_a_payment_or_a_refusal(data: st.DataObject) -> None:
    header = data.draw(st.sampled_from([OPENLORA_REQUEST, PAYMENT_SIGNATURE]))
    document = decoded(GOOD[header])
    path: list[str] = []
    inner: object = document
    while isinstance(inner, dict) and inner and data.draw(st.booleans() if path else st.just(value=True)):
        path.append(data.draw(st.sampled_from(sorted(inner))))
        inner = inner[path[-1]]
    put(*path, value=data.draw(json_values))(document)

    with suppress(PaymentInvalid):
        assert parse_headers({**GOOD, header: to_header(document)}, RECEIVER) is not None
