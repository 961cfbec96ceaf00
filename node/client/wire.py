"""A channel on the wire: its identity, the deposit that funds it, vouchers, and what the node reports of it.

Source: x402 v2, scheme `batch-settlement` on EVM, deposits by ERC-3009.
"""

import base64
import json
from dataclasses import dataclass
from typing import Self

from contracts.crypto import ZERO_BYTES32, Address, Bytes32, InvalidSignature, recover
from contracts.structs import InferenceRequest
from contracts.x402 import (
    ERC3009_COLLECTOR,
    ChannelConfig,
    ReceiveWithAuthorization,
    Voucher,
    deposit_nonce,
    x402_domain,
)
from node.client.document import Document
from node.client.node import NodeCard
from node.client.wallet import Signer

PAYMENT_SIGNATURE = "PAYMENT-SIGNATURE"
OPENLORA_REQUEST = "OpenLoRA-Request"
X402_VERSION = 2


def channel_config(payer: Address, card: NodeCard) -> ChannelConfig:
    """The one channel between a wallet and a node. Salt 0, so that whoever has the key can name it again."""
    return ChannelConfig(payer, payer, card.vault, card.vault, card.asset, card.withdraw_delay_s, ZERO_BYTES32)


@dataclass(frozen=True, slots=True)
class SignedVoucher:
    """A cumulative promise on a channel, ready for the wire."""

    config: ChannelConfig
    voucher: Voucher
    signature: bytes

    @classmethod
    def sign(cls, signer: Signer, config: ChannelConfig, chain_id: int, max_claimable_amount: int) -> Self:
        voucher = Voucher(config.channel_id(chain_id), max_claimable_amount)
        return cls(config, voucher, signer.sign(voucher.digest(x402_domain(chain_id))))

    def payload(self) -> dict[str, object]:
        return {
            "type": "voucher",
            # withdrawDelay is a JSON number in every x402 SDK
            "channelConfig": self.config.to_json() | {"withdrawDelay": self.config.withdraw_delay},
            "voucher": self.voucher.to_json() | {"signature": hex_text(self.signature)},
        }


@dataclass(frozen=True, slots=True)
class ChannelView:
    """What the node reports of a channel; amounts in base units. voucher_signature is the newest voucher's."""

    channel_id: Bytes32
    balance: int
    charged: int
    reserved: int
    signed_max: int
    pending_withdraw: int
    voucher_signature: bytes | None

    @classmethod
    def parse(cls, value: object) -> Self:
        document = Document(value)
        return cls(
            channel_id=document.bytes32("channelId"),
            balance=document.amount("balance"),
            charged=document.amount("charged"),
            reserved=document.amount("reserved"),
            signed_max=document.amount("signedMax"),
            pending_withdraw=document.amount("pendingWithdraw"),
            voucher_signature=document.raw("voucherSignature") if document.has("voucherSignature") else None,
        )

    @property
    def available(self) -> int:
        """What vouchers may promise at most."""
        return max(0, self.balance - self.pending_withdraw)

    def proven_max(self, signer: Address, chain_id: int) -> int:
        """`signed_max` if the voucher's signature shows that the wallet did sign it, else 0."""
        if self.voucher_signature is None:
            return 0
        digest = Voucher(self.channel_id, self.signed_max).digest(x402_domain(chain_id))
        try:
            return self.signed_max if recover(digest, self.voucher_signature) == signer else 0
        except InvalidSignature:
            return 0


def deposit_payload(
    signer: Signer, card: NodeCard, voucher: SignedVoucher, *, amount: int, salt: int, valid_before: int
) -> dict[str, object]:
    """The x402 `deposit` payload: an ERC-3009 authorisation for `amount` that can fund only this channel."""
    nonce = deposit_nonce(voucher.voucher.channel_id, salt)
    authorization = ReceiveWithAuthorization(signer.address, ERC3009_COLLECTOR, amount, 0, valid_before, nonce)
    erc3009 = {
        "validAfter": "0",
        "validBefore": str(valid_before),
        "salt": f"0x{salt:064x}",
        "signature": hex_text(signer.sign(authorization.digest(card.token_domain))),
    }
    deposit = {"amount": str(amount), "authorization": {"erc3009Authorization": erc3009}}
    return voucher.payload() | {"type": "deposit", "deposit": deposit}


def payment(card: NodeCard, payload: dict[str, object], amount: int) -> dict[str, object]:
    """The x402 v2 PaymentPayload that answers the node's requirements with `amount`."""
    return {
        "x402Version": X402_VERSION,
        "accepted": card.requirements | {"amount": str(amount)},
        "payload": payload,
    }


def payment_headers(
    card: NodeCard, voucher: SignedVoucher, request: InferenceRequest, signature: bytes
) -> dict[str, str]:
    """Both headers of a paid request."""
    signed = {"request": request.to_json(), "signature": hex_text(signature)}
    return {
        PAYMENT_SIGNATURE: _base64_json(payment(card, voucher.payload(), request.max_fee)),
        OPENLORA_REQUEST: _base64_json(signed),
    }


def hex_text(value: bytes) -> str:
    return "0x" + value.hex()


def _base64_json(document: object) -> str:
    return base64.b64encode(json.dumps(document, separators=(",", ":")).encode()).decode()
