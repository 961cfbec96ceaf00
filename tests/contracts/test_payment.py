"""What a payer signs and sends: checked by the stock x402 SDK's types, the ABI, and recovered signatures."""

import base64
import json

from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st
from x402.mechanisms.evm.batch_settlement import types as stock
from x402.mechanisms.evm.batch_settlement.utils import compute_channel_id
from x402.schemas import PaymentPayload

from contracts.crypto import ZERO_BYTES32, PrivateKey, keccak, recover
from contracts.eip712 import Domain
from contracts.payment import (
    SCHEME,
    X402_VERSION,
    SignedDeposit,
    SignedRequest,
    SignedVoucher,
    network_of,
    payment_payload,
    to_header,
)
from contracts.structs import InferenceRequest, openlora_domain
from contracts.x402 import ERC3009_COLLECTOR, ChannelConfig, deposit_nonce, x402_domain

CHAIN_ID = 31337
PAYER = PrivateKey(keccak(b"payer"))
SESSION = PrivateKey(keccak(b"session key"))
VAULT = PrivateKey(keccak(b"vault")).address
TOKEN = Domain("OPEN", "1", CHAIN_ID, PrivateKey(keccak(b"token")).address)
CONFIG = ChannelConfig(
    PAYER.address, SESSION.address, VAULT, VAULT, TOKEN.verifying_contract, 900, ZERO_BYTES32
)  # fmt: skip
ACCEPTED: dict[str, object] = {
    "scheme": SCHEME,
    "network": network_of(CHAIN_ID),
    "asset": TOKEN.verifying_contract,
    "amount": "5",
    "payTo": VAULT,
    "maxTimeoutSeconds": 300,
    "extra": {},
}


def voucher(amount: int = 5) -> SignedVoucher:
    return SignedVoucher.sign(SESSION, CONFIG, CHAIN_ID, amount)


def deposit(amount: int = 9, salt: int = 1, valid_before: int = 2) -> SignedDeposit:
    return SignedDeposit.sign(PAYER, voucher(), TOKEN, amount=amount, salt=salt, valid_before=valid_before)


@given(st.integers(0, 2**128 - 1))
def test_a_voucher_is_signed_for_its_channel_on_its_chain(amount: int) -> None:
    signed = voucher(amount)

    assert signed.voucher.channel_id == CONFIG.channel_id(CHAIN_ID)
    assert signed.voucher.max_claimable_amount == amount
    assert recover(signed.voucher.digest(x402_domain(CHAIN_ID)), signed.signature) == SESSION.address


def test_a_voucher_payload_is_the_stock_one() -> None:
    envelope = PaymentPayload.model_validate(payment_payload(voucher().to_payload(), ACCEPTED))
    payload = stock.VoucherPayload.from_dict(envelope.payload)

    assert envelope.x402_version == X402_VERSION
    assert stock.is_voucher_payload(envelope.payload)
    assert payload.channel_config is not None
    assert payload.voucher.channel_id == compute_channel_id(payload.channel_config, network_of(CHAIN_ID))


def test_a_deposit_payload_is_the_stock_one() -> None:
    payload = stock.DepositPayload.from_dict(deposit().to_payload())

    assert stock.is_deposit_payload(deposit().to_payload())
    assert payload.deposit is not None
    assert payload.deposit.amount == "9"


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_a_deposit_is_signed_by_the_payer_for_one_channel(amount: int, salt: int, valid_before: int) -> None:
    signed = deposit(amount, salt, valid_before)
    authorization = signed.authorization(CHAIN_ID)

    assert recover(authorization.digest(TOKEN), signed.signature) == PAYER.address
    assert (authorization.from_, authorization.to) == (PAYER.address, ERC3009_COLLECTOR)
    assert (authorization.value, authorization.valid_before) == (amount, valid_before)
    assert authorization.nonce == deposit_nonce(CONFIG.channel_id(CHAIN_ID), salt)


@settings(deadline=None)
@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_the_collector_gets_the_abi_encoding(salt: int, valid_before: int) -> None:
    signed = deposit(salt=salt, valid_before=valid_before)
    values = (0, valid_before, salt, signed.signature)

    assert signed.collector_data() == encode(("uint256", "uint256", "uint256", "bytes"), values)


def test_a_signed_request_travels_as_base64_json() -> None:
    request = InferenceRequest(VAULT, ZERO_BYTES32, ZERO_BYTES32, ZERO_BYTES32, 5, ZERO_BYTES32, 1, 2)
    signature = SESSION.sign(request.digest(openlora_domain(CHAIN_ID, VAULT)))

    document = json.loads(base64.b64decode(SignedRequest(request, signature).to_header(), validate=True))

    assert InferenceRequest.from_json(document["request"]) == request
    assert bytes.fromhex(document["signature"].removeprefix("0x")) == signature


def test_a_header_is_compact() -> None:
    assert base64.b64decode(to_header({"a": [1, "ü"]})) == b'{"a":[1,"\\u00fc"]}'
