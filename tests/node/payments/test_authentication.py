from collections.abc import Callable
from dataclasses import replace

import pytest

from contracts.crypto import ZERO_ADDRESS, ZERO_BYTES32
from contracts.payment import OPENLORA_REQUEST, PAYMENT_SIGNATURE, SignedRequest, SignedVoucher
from contracts.structs import MAX_REQUEST_LIFETIME_S, InferenceRequest
from contracts.x402 import ChannelConfig, Voucher
from node.payments.authentication import VerifiedRequest, authenticate
from node.payments.errors import ChannelRefused, PaymentInvalid, PaymentRequired, RequestExpired
from tests.node.payments.payer import BODY, NOW, PATH, Payer, key
from tests.node.payments.shop import ADAPTER, PRICES, RECEIVER


@pytest.fixture
def payer() -> Payer:
    return Payer(RECEIVER)


def request(payer: Payer) -> InferenceRequest:
    return payer.request(max_fee=10**15, price_hash=PRICES.struct_hash(), adapter_key=ADAPTER)


def ask(headers: dict[str, str], *, method: str = "POST", path: str = PATH, body: bytes = BODY) -> VerifiedRequest:
    return authenticate(RECEIVER, headers, method=method, path_with_query=path, body=body, now=NOW)


def test_a_signed_request_with_its_voucher_is_known_by_its_key(payer: Payer) -> None:
    signed = request(payer)

    found = ask(payer.headers(signed, payer.voucher(10**15)))

    assert found.signer == payer.session.address
    assert found.request == signed
    assert found.request_digest == signed.digest(RECEIVER.domain)
    assert found.voucher == payer.voucher(10**15)


def test_the_voucher_may_stay_away_while_capacity_suffices(payer: Payer) -> None:
    found = ask(payer.headers(request(payer), None))

    assert found.voucher is None
    assert found.signer == payer.session.address


def test_a_call_without_payment_is_asked_to_pay() -> None:
    with pytest.raises(PaymentRequired) as required:
        ask({})

    numbers = required.value.numbers()
    assert numbers["pay_to"] == RECEIVER.vault
    assert numbers["asset"] == RECEIVER.token
    assert numbers["chain_id"] == "31337"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", PATH, BODY),
        ("POST", PATH + "?trace=1", BODY),
        ("POST", PATH, BODY + b" "),
        ("POST", PATH, b""),
    ],
)
def test_a_signature_is_for_one_method_path_and_body(payer: Payer, method: str, path: str, body: bytes) -> None:
    with pytest.raises(PaymentInvalid, match="another method, path or body") as invalid:
        ask(payer.headers(request(payer), None), method=method, path=path, body=body)

    assert invalid.value.field == f"{OPENLORA_REQUEST}.request.requestHash"


@pytest.mark.parametrize("deadline", [0, NOW - 1, NOW])
def test_an_expired_request_is_refused(payer: Payer, deadline: int) -> None:
    with pytest.raises(RequestExpired):
        ask(payer.headers(replace(request(payer), deadline=deadline), None))


def test_a_request_may_live_five_minutes_and_no_longer(payer: Payer) -> None:
    ask(payer.headers(replace(request(payer), deadline=NOW + MAX_REQUEST_LIFETIME_S), None))

    with pytest.raises(PaymentInvalid, match="301 s ahead"):
        ask(payer.headers(replace(request(payer), deadline=NOW + MAX_REQUEST_LIFETIME_S + 1), None))


def test_a_request_for_another_node_is_refused(payer: Payer) -> None:
    with pytest.raises(PaymentInvalid, match="this node is"):
        ask(payer.headers(replace(request(payer), node=RECEIVER.token), None))


def test_a_voucher_of_another_channel_is_refused(payer: Payer) -> None:
    other = Payer(RECEIVER, salt=PRICES.struct_hash())

    with pytest.raises(PaymentInvalid, match="not the voucher's channel"):
        ask(payer.headers(request(payer), other.voucher(10**15)))


def test_a_request_signed_by_another_key_than_the_channels_is_refused(payer: Payer) -> None:
    stranger = Payer(RECEIVER, session=key("stranger"))
    headers = payer.headers(request(payer), payer.voucher(1))
    headers[OPENLORA_REQUEST] = stranger.sign(request(payer)).to_header()

    with pytest.raises(PaymentInvalid, match="payerAuthorizer"):
        ask(headers)


def test_a_voucher_signed_by_the_wallet_instead_of_the_session_key_is_refused(payer: Payer) -> None:
    forged = Payer(RECEIVER, session=payer.wallet).voucher(10**15, config=payer.config)

    with pytest.raises(PaymentInvalid, match="payerAuthorizer") as invalid:
        ask(payer.headers(request(payer), forged))

    assert invalid.value.field == f"{PAYMENT_SIGNATURE}.payload.voucher.signature"


def test_a_voucher_whose_amount_was_raised_after_signing_is_refused(payer: Payer) -> None:
    honest = payer.voucher(5)
    raised = replace(honest, voucher=Voucher(payer.channel_id, 6))

    with pytest.raises(PaymentInvalid, match="payerAuthorizer"):
        ask(payer.headers(request(payer), raised))


def test_a_malleable_or_impossible_signature_is_refused(payer: Payer) -> None:
    signature = payer.sign(request(payer)).signature
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high_s = signature[:32] + (order - int.from_bytes(signature[32:64])).to_bytes(32) + bytes([55 - signature[64]])

    for forged in (high_s, bytes(65), signature[:64] + b"\x00", b"\xff" * 64 + b"\x1b"):
        header = SignedRequest(request(payer), forged).to_header()
        with pytest.raises(PaymentInvalid) as invalid:
            ask({OPENLORA_REQUEST: header})
        assert invalid.value.field == f"{OPENLORA_REQUEST}.signature"


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("receiver", lambda config: replace(config, receiver=RECEIVER.token)),
        ("receiverAuthorizer", lambda config: replace(config, receiver_authorizer=RECEIVER.token)),
        ("token", lambda config: replace(config, token=RECEIVER.vault)),
        ("withdrawDelay", lambda config: replace(config, withdraw_delay=899)),
        ("withdrawDelay", lambda config: replace(config, withdraw_delay=2_592_001)),
        ("payer", lambda config: replace(config, payer=ZERO_ADDRESS)),
        ("payerAuthorizer", lambda config: replace(config, payer_authorizer=ZERO_ADDRESS)),
    ],
)
def test_a_channel_that_does_not_protect_the_node_is_refused(
    payer: Payer, field: str, change: Callable[[ChannelConfig], ChannelConfig]
) -> None:
    voucher = payer.voucher(10**15, config=change(payer.config))

    with pytest.raises(ChannelRefused) as refused:
        ask(payer.headers(request(payer), voucher))

    assert refused.value.field == f"channelConfig.{field}"


def test_a_channel_id_must_be_the_hash_of_its_configuration(payer: Payer) -> None:
    voucher = Voucher(ZERO_BYTES32, 5)
    signature = payer.session.sign(voucher.digest(RECEIVER.escrow_domain))

    with pytest.raises(PaymentInvalid, match="not the id of channelConfig"):
        ask(payer.headers(request(payer), SignedVoucher(payer.config, voucher, signature)))


def test_the_key_of_another_chain_or_settlement_signs_nothing_here(payer: Payer) -> None:
    elsewhere = replace(RECEIVER, chain_id=1)
    signed = request(payer)
    foreign = SignedRequest(signed, payer.session.sign(signed.digest(elsewhere.domain)))

    found = ask({OPENLORA_REQUEST: foreign.to_header()})

    assert found.signer != payer.session.address, "admission refuses it: the signer is not the channel's key"
