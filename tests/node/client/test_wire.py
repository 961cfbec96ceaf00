"""Our headers are what the stock x402 SDK reads and signs: channel ids, vouchers, deposits and envelopes."""

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx2
from eth_account import Account
from eth_account.messages import encode_typed_data
from x402.mechanisms.evm.batch_settlement import types as stock
from x402.mechanisms.evm.batch_settlement.constants import RECEIVE_AUTHORIZATION_TYPES, VOUCHER_TYPES
from x402.mechanisms.evm.batch_settlement.encoding import build_erc3009_deposit_nonce
from x402.mechanisms.evm.batch_settlement.utils import compute_channel_id, get_batch_settlement_eip712_domain
from x402.schemas import PaymentPayload

from contracts.structs import InferenceRequest
from contracts.x402 import ERC3009_COLLECTOR
from tests.node.client.answers import OPEN, TOKEN, VAULT
from tests.node.client.conftest import PAYER
from tests.node.client.node_side import NodeSide

Ask = Callable[..., httpx2.Response]


def header(node: NodeSide, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(base64.b64decode(node.paid()[-1].headers[name], validate=True))
    return document


def signer(domain: object, types: object, primary: str, message: dict[str, object], signature: str) -> str:
    kinds = {primary: types[primary]}  # type: ignore[index]
    signable = encode_typed_data(domain, kinds, message)  # type: ignore[arg-type]
    recovered: str = Account.recover_message(signable, signature=signature)
    return recovered


def test_a_paid_request_carries_a_stock_voucher_payload(node: NodeSide, ask: Ask) -> None:
    ask()

    envelope = PaymentPayload.model_validate(header(node, "PAYMENT-SIGNATURE"))
    payload = stock.VoucherPayload.from_dict(envelope.payload)

    assert stock.is_voucher_payload(envelope.payload)
    assert envelope.x402_version == 2
    assert (envelope.accepted.scheme, envelope.accepted.network) == ("batch-settlement", "eip155:31337")
    assert (envelope.accepted.pay_to, envelope.accepted.asset) == (VAULT, TOKEN)
    assert payload.channel_config is not None
    assert payload.voucher is not None
    assert payload.voucher.channel_id == compute_channel_id(payload.channel_config, "eip155:31337")
    message = {
        "channelId": bytes.fromhex(payload.voucher.channel_id[2:]),
        "maxClaimableAmount": int(payload.voucher.max_claimable_amount),
    }
    domain = get_batch_settlement_eip712_domain(31337)
    domain = domain if isinstance(domain, dict) else vars(domain)
    found = signer(_eip712(domain), VOUCHER_TYPES, "Voucher", message, payload.voucher.signature)
    assert found == PAYER.address


def test_the_deposit_is_a_stock_deposit_payload(node: NodeSide, ask: Ask) -> None:
    ask()

    envelope = PaymentPayload.model_validate(json.loads(node.deposits[0]))
    payload = stock.DepositPayload.from_dict(envelope.payload)

    assert stock.is_deposit_payload(envelope.payload)
    assert payload.deposit is not None
    assert payload.voucher is not None
    authorization = payload.deposit.authorization.erc3009_authorization
    assert authorization is not None
    nonce = build_erc3009_deposit_nonce(payload.voucher.channel_id, authorization.salt)
    message = {
        "from": PAYER.address,
        "to": ERC3009_COLLECTOR,
        "value": OPEN,
        "validAfter": int(authorization.valid_after),
        "validBefore": int(authorization.valid_before),
        "nonce": bytes.fromhex(nonce[2:]) if isinstance(nonce, str) else nonce,
    }
    domain = {"name": "OPEN", "version": "1", "chainId": 31337, "verifyingContract": TOKEN}
    found = signer(domain, RECEIVE_AUTHORIZATION_TYPES, "ReceiveWithAuthorization", message, authorization.signature)
    assert found == PAYER.address


def test_the_amount_accepted_is_what_the_request_may_cost_at_most(node: NodeSide, ask: Ask) -> None:
    ask()

    signed = InferenceRequest.from_json(header(node, "OpenLoRA-Request")["request"])

    assert header(node, "PAYMENT-SIGNATURE")["accepted"]["amount"] == str(signed.max_fee)


def _eip712(domain: dict[str, Any]) -> dict[str, Any]:
    """The SDK's domain with the names EIP-712 uses."""
    names = {"chain_id": "chainId", "verifying_contract": "verifyingContract"}
    return {names.get(name, name): value for name, value in domain.items()}
